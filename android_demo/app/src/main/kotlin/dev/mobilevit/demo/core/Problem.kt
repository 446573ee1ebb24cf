package dev.mobilevit.demo.core

/** Everything that can go wrong in front of a user; the screen has one sentence for each (`ProblemTexts`). */
enum class Problem {
    NOT_A_MODEL,
    NO_METADATA,
    BAD_METADATA,
    NEWER_MODEL,
    DAMAGED_MODEL,
    MODEL_MISMATCH,
    NO_MODEL,
    NO_RUNTIME,
    NOT_A_PICTURE,
    DAMAGED_PICTURE,
    HUGE_PICTURE,
    UNREADABLE,
    NO_MEMORY,
    NO_APP,
    TOO_SLOW,
    CAMERA_FAILED,
    CAMERA_REFUSED,
    UNEXPECTED,
}

/** A problem on its way from where it was found to the screen. */
class DemoException(val problem: Problem, cause: Throwable? = null) : Exception(problem.name, cause)
