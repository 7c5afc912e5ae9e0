"""The grader of mmaplab: a student's tree goes in, QEMU boots it, tasks come out scored."""

__version__ = "1.0"        # of the kit


class CouldNotGrade(Exception):
    """The grader itself could not do its work: never a zero, always exit status 2.

    The text says what is wrong and what to do about it."""
