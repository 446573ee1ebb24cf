package dev.mobilevit.demo.core

/**
 * What the user can choose.
 *
 * @property threads of the runtime, one of [THREADS].
 * @property results guesses on the screen, one of [RESULTS].
 * @property threshold percent below which an answer is "unsure"; null takes the model's own.
 * @property liveTimes milliseconds and frames per second are shown on the live screen.
 * @property liveFrame the part of the picture that the model sees is marked there.
 */
data class Settings(
    val threads: Int = Classifier.DEFAULT_THREADS,
    val results: Int = 5,
    val threshold: Int? = null,
    val liveTimes: Boolean = true,
    val liveFrame: Boolean = true,
) {
    fun limits(metadata: ModelMetadata) =
        AnswerLimits(results, threshold?.let { it / 100.0 } ?: metadata.unsureBelow, metadata.noneOfThese)

    companion object {
        val THREADS = listOf(1, 2, 4)
        val RESULTS = listOf(1, 3, 5, 10)
        val THRESHOLDS = 0..100
    }
}
