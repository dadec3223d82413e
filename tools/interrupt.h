/* SPDX-License-Identifier: MIT */
/*
 * SIGINT and SIGTERM as a flag that loops look at.  A second one, a moment later, ends the program at
 * once.
 */
#ifndef BITNPU_INTERRUPT_H
#define BITNPU_INTERRUPT_H

/** bitnpu_interrupt_catch() - from now on; blocking reads return early */
void bitnpu_interrupt_catch(void);
/** bitnpu_interrupted() - Return: number of the signal that came, 0 when none did */
int bitnpu_interrupted(void);
/** bitnpu_interrupt_clear() - forget it */
void bitnpu_interrupt_clear(void);

#endif /* BITNPU_INTERRUPT_H */
