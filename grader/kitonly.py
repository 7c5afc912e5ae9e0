"""Modules that only the instructor's kit has: students' copies of the grader work without them."""

import importlib
import importlib.util

from . import CouldNotGrade


def there(name):
    """Whether this copy of the grader has the module grader.NAME."""
    return importlib.util.find_spec(f"grader.{name}") is not None


def load(name):
    """The module grader.NAME. Raises CouldNotGrade in a copy without it."""
    if not there(name):
        raise CouldNotGrade(f"this is a student's copy of the grader, and has no {name}: hidden tests, and trees that were not made "
                            "from this lab's handout, are graded with the instructor's kit")
    return importlib.import_module(f"grader.{name}")
