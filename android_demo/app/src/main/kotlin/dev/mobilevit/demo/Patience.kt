package dev.mobilevit.demo

import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.util.concurrent.ExecutionException
import java.util.concurrent.FutureTask
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** Waiting for another app or process, which may never answer: ends after [quietMs] without a [sign] of life. */
class Patience(private val quietMs: Long) {
    @Volatile private var last = System.nanoTime()

    @Volatile private var cancelled = false

    fun sign() {
        last = System.nanoTime()
    }

    /** Ends the waiting now; for another thread. */
    fun cancel() {
        cancelled = true
    }

    /**
     * What [work] gives or throws; it runs in a thread of its own, which is left behind where it hangs.
     *
     * @param abandon called before that, to end the work if it can be ended.
     * @throws DemoException TOO_SLOW.
     */
    fun <T> await(abandon: () -> Unit, work: () -> T): T {
        val task = FutureTask(work)
        Thread(task, "guest").apply { isDaemon = true }.start()
        sign()
        while (true) {
            try {
                return task.get(POLL_MS, TimeUnit.MILLISECONDS)
            } catch (error: ExecutionException) {
                throw error.cause ?: error
            } catch (error: TimeoutException) {
                if (!cancelled && System.nanoTime() - last < quietMs * 1_000_000) continue
                abandon()
                throw DemoException(Problem.TOO_SLOW, error)
            }
        }
    }

    companion object {
        const val QUIET_MS = 30_000L
        private const val POLL_MS = 50L
    }
}
