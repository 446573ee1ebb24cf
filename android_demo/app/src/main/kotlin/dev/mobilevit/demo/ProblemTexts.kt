package dev.mobilevit.demo

import dev.mobilevit.demo.core.Problem

/** The sentence on the screen for each problem. */
val Problem.text: Int
    get() = when (this) {
        Problem.NOT_A_MODEL -> R.string.problem_not_a_model
        Problem.NO_METADATA -> R.string.problem_no_metadata
        Problem.BAD_METADATA -> R.string.problem_bad_metadata
        Problem.NEWER_MODEL -> R.string.problem_newer_model
        Problem.DAMAGED_MODEL -> R.string.problem_damaged_model
        Problem.MODEL_MISMATCH -> R.string.problem_model_mismatch
        Problem.NO_MODEL -> R.string.problem_no_model
        Problem.NO_RUNTIME -> R.string.problem_no_runtime
        Problem.NOT_A_PICTURE -> R.string.problem_not_a_picture
        Problem.DAMAGED_PICTURE -> R.string.problem_damaged_picture
        Problem.HUGE_PICTURE -> R.string.problem_huge_picture
        Problem.UNREADABLE -> R.string.problem_unreadable
        Problem.NO_MEMORY -> R.string.problem_no_memory
        Problem.TOO_SLOW -> R.string.problem_too_slow
        Problem.CAMERA_FAILED -> R.string.problem_camera_failed
        Problem.CAMERA_REFUSED -> R.string.problem_camera_refused
        Problem.NO_APP -> R.string.problem_no_app
        Problem.UNEXPECTED -> R.string.problem_unexpected
    }
