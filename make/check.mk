# SPDX-License-Identifier: MIT
# Running the tests.

RUN_TESTS	:= $(PYTHON) tests/run -o $(BUILD)/check

.PHONY: tests
tests: $(unit_tests)

.PHONY: check-unit
check-unit: tests ## run the unit tests
	$(RUN_TESTS) -s unit $(unit_tests)
