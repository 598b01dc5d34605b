"""From what a model answered and a dataset's ground truth to a grade."""

from sv_engine.grading.answer import code_of
from sv_engine.grading.grade import Grade, grade
from sv_engine.grading.suite import Suite, SuiteError, read_suite

__all__ = ["Grade", "Suite", "SuiteError", "code_of", "grade", "read_suite"]
