package dev.mobilevit.demo.core

import java.nio.ByteBuffer
import java.util.Locale
import kotlin.math.ceil

/** One setting of the runtime. */
data class Setting(val threads: Int, val xnnpack: Boolean)

/** Milliseconds of one inference over [Benchmark.RUNS] runs, and its [steps] (see [NativeInterpreter.steps]). */
data class Timing(val setting: Setting, val median: Double, val percentile95: Double, val steps: Int)

/** Times the inference alone (no decoding, no resize) under each setting, one interpreter after the other. */
object Benchmark {
    const val RUNS = 50
    const val WARM_UP_RUNS = 10
    val SETTINGS = listOf(true, false).flatMap { xnnpack -> listOf(1, 2, 4).map { Setting(it, xnnpack) } }

    /** @param goOn asked before every run; false ends the measurement, and null is returned. */
    fun time(model: ByteBuffer, setting: Setting, goOn: () -> Boolean): Timing? {
        Classifier(model, setting.threads, setting.xnnpack).use { classifier ->
            val spec = classifier.metadata.spec
            val pixels = ByteArray(spec.height * spec.width * 3) { (it * 31 + it / 7).toByte() }
            val times = DoubleArray(RUNS)
            for (run in -WARM_UP_RUNS until RUNS) {
                if (!goOn()) return null
                val scores = classifier.run(pixels)
                if (run >= 0) times[run] = scores.milliseconds
            }
            return Timing(setting, percentile(times, 50.0), percentile(times, 95.0), classifier.steps)
        }
    }

    /** The mean of the two nearest values at 50 %, else the smallest value that [percent] of all do not exceed. */
    fun percentile(values: DoubleArray, percent: Double): Double {
        val sorted = values.sortedArray()
        if (percent == 50.0) return (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2
        return sorted[ceil(sorted.size * percent / 100).toInt() - 1]
    }

    /** Everything in one line, for the clipboard. */
    fun line(device: String, model: String, timings: List<Timing>): String =
        timings.joinToString("; ", "$device | $model | $RUNS runs, median / 95th percentile in ms | ") {
            val delegate = if (it.setting.xnnpack) "XNNPACK" else "no delegate"
            String.format(
                Locale.ROOT, "%s %d threads %.2f / %.2f (%d steps)",
                delegate, it.setting.threads, it.median, it.percentile95, it.steps,
            ).replace(" 1 threads", " 1 thread")
        }
}
