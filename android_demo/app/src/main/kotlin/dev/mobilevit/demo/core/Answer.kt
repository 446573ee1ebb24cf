package dev.mobilevit.demo.core

/** One class and its score in [0, 1]. */
data class Guess(val label: String, val score: Float)

/**
 * What becomes an [Answer]: at most [results] guesses, "unsure" where the best lies below [unsureBelow], or "none of
 * these" where the model says that this is what its threshold means.
 */
class AnswerLimits(val results: Int, val unsureBelow: Double, val noneOfThese: Boolean = false)

/**
 * What is shown for one photo.
 *
 * @property guesses best first.
 * @property unsure the best score lies below the threshold.
 * @property preprocessMs from the photo's bytes to the model's input.
 * @property inferenceMs of the model alone.
 * @property noneOfThese an unsure answer means that the photo shows none of the classes.
 */
class Answer(
    val guesses: List<Guess>,
    val unsure: Boolean,
    val preprocessMs: Double,
    val inferenceMs: Double,
    val noneOfThese: Boolean = false,
) {
    companion object {
        fun of(labels: List<String>, scores: Scores, limits: AnswerLimits, preprocessMs: Double): Answer {
            val guesses = guesses(labels, scores.values, limits.results)
            val unsure = guesses.first().score < limits.unsureBelow
            return Answer(guesses, unsure, preprocessMs, scores.milliseconds, limits.noneOfThese)
        }

        /** The [most] classes of the highest scores, best first. */
        fun guesses(labels: List<String>, scores: FloatArray, most: Int): List<Guess> =
            labels.mapIndexed { index, label -> Guess(label, scores[index]) }.sortedByDescending { it.score }.take(most)
    }
}
