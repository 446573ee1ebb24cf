package dev.mobilevit.demo

import dev.mobilevit.demo.core.Benchmark
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.Timing

/** What the benchmark screen shows: the timings so far, and whether more are coming. */
data class BenchmarkState(
    val timings: List<Timing> = emptyList(),
    val running: Boolean = false,
    val problem: Problem? = null,
) {
    val isComplete: Boolean get() = timings.size == Benchmark.SETTINGS.size
}

/** A benchmark of the model in use, in the background; it goes on through a rotation and stops when its screen ends. */
class BenchmarkRun(private val models: ModelStore) {
    private val worker = Worker { problem -> state = state.copy(running = false, problem = problem) }

    @Volatile private var goOn = false
    val observed = Observed(BenchmarkState())
    var state by observed::value
        private set

    fun start() {
        if (state.running) return
        goOn = true
        state = BenchmarkState(running = true)
        worker.submit {
            val model = models.map()
            for (setting in Benchmark.SETTINGS) {
                val timing = models.watched { Benchmark.time(model, setting) { goOn } } ?: break
                worker.onMain { state = state.copy(timings = state.timings + timing) }
            }
        }
    }

    fun stop() {
        goOn = false
    }
}
