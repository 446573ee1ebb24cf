package dev.mobilevit.demo

import dev.mobilevit.demo.core.Benchmark
import dev.mobilevit.demo.core.Setting
import dev.mobilevit.demo.core.Timing
import org.junit.Assert.assertEquals
import org.junit.Test

class BenchmarkTest {
    @Test
    fun medianAndPercentileAreThoseOfTheSortedTimes() {
        val times = DoubleArray(50) { (50 - it).toDouble() } // 50, 49 .. 1
        assertEquals(25.5, Benchmark.percentile(times, 50.0), 0.0)
        assertEquals(48.0, Benchmark.percentile(times, 95.0), 0.0)
        assertEquals(2.0, Benchmark.percentile(doubleArrayOf(3.0, 1.0, 2.0), 50.0), 0.0)
    }

    @Test
    fun theSettingsAreThreeThreadCountsWithAndWithoutTheDelegate() {
        assertEquals(listOf(1, 2, 4, 1, 2, 4), Benchmark.SETTINGS.map { it.threads })
        assertEquals(listOf(true, true, true, false, false, false), Benchmark.SETTINGS.map { it.xnnpack })
    }

    @Test
    fun theClipboardGetsOneLineWithTheDevice() {
        val timings = listOf(Timing(Setting(1, true), 5.0, 6.256, 2), Timing(Setting(4, false), 50.0, 61.0, 709))
        assertEquals(
            "Acme One, Android 14 | Flowers | 50 runs, median / 95th percentile in ms | " +
                "XNNPACK 1 thread 5.00 / 6.26 (2 steps); no delegate 4 threads 50.00 / 61.00 (709 steps)",
            Benchmark.line("Acme One, Android 14", "Flowers", timings),
        )
    }
}
