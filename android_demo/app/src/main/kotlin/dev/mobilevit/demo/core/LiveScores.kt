package dev.mobilevit.demo.core

/** What the live screen shows: an [answer] from smoothed scores, and how fast frames come. */
class LiveAnswer(val answer: Answer, val framesPerSecond: Double)

/**
 * Scores of one frame after the other, calm enough to read: an exponential mean, and "unsure" with hysteresis, so that
 * a score close to the threshold does not flicker.
 *
 * @param limits how many guesses, and the threshold.
 */
class LiveScores(private val labels: List<String>, private val limits: AnswerLimits) {
    private val mean = FloatArray(labels.size)
    private val inferenceMs = ArrayDeque<Double>()
    private val preprocessMs = ArrayDeque<Double>()
    private val times = ArrayDeque<Long>()
    private var unsure = false

    /** @param now of the frame's end, in nanoseconds. */
    fun add(scores: Scores, preprocess: Double, now: Long): LiveAnswer {
        val first = times.isEmpty()
        for (index in mean.indices) mean[index] += (scores.values[index] - mean[index]) * if (first) 1f else WEIGHT
        remember(inferenceMs, scores.milliseconds)
        remember(preprocessMs, preprocess)
        remember(times, now)
        val best = mean.max()
        val edge = if (first) 0.0 else if (unsure) MARGIN else -MARGIN
        unsure = best < minOf(limits.unsureBelow + edge, maxOf(limits.unsureBelow, HIGHEST))
        val guesses = Answer.guesses(labels, mean, limits.results)
        val answer = Answer(guesses, unsure, median(preprocessMs), median(inferenceMs), limits.noneOfThese)
        return LiveAnswer(answer, framesPerSecond())
    }

    private fun framesPerSecond(): Double {
        val seconds = (times.last() - times.first()) / 1e9
        return if (seconds > 0) (times.size - 1) / seconds else 0.0
    }

    private fun <T> remember(values: ArrayDeque<T>, value: T) {
        values.addLast(value)
        if (values.size > REMEMBERED) values.removeFirst()
    }

    private fun median(values: ArrayDeque<Double>) = Benchmark.percentile(values.toDoubleArray(), 50.0)

    private companion object {
        const val WEIGHT = 0.3f // of the newest frame
        const val MARGIN = 0.05 // a best score must pass the threshold by this much to change the answer
        const val HIGHEST = 0.99 // a threshold below it can be passed, whatever the margin
        const val REMEMBERED = 30 // frames, one to three seconds
    }
}
