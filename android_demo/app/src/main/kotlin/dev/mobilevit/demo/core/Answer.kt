package dev.mobilevit.demo.core

/** One class and its score in [0, 1]. */
data class Guess(val label: String, val score: Float)

/**
 * What is shown for one photo.
 *
 * @property guesses best first, at most [MOST_GUESSES].
 * @property unsure the best score lies below the model's own threshold.
 * @property preprocessMs from the photo's bytes to the model's input.
 * @property inferenceMs of the model alone.
 */
class Answer(val guesses: List<Guess>, val unsure: Boolean, val preprocessMs: Double, val inferenceMs: Double) {
    companion object {
        const val MOST_GUESSES = 5

        fun of(metadata: ModelMetadata, scores: Scores, preprocessMs: Double): Answer {
            val guesses = metadata.labels.mapIndexed { index, label -> Guess(label, scores.values[index]) }
                .sortedByDescending { it.score }
                .take(MOST_GUESSES)
            return Answer(guesses, guesses.first().score < metadata.unsureBelow, preprocessMs, scores.milliseconds)
        }
    }
}
