package dev.mobilevit.demo

import android.os.Handler
import android.os.Looper
import android.util.Log
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.io.IOException
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

/** Runs jobs one after the other off the main thread; [ended] hears of each on the main thread. */
class Worker(private val ended: (Problem?) -> Unit) {
    private val executor = Executors.newSingleThreadExecutor { Thread(it, "worker") }
    private val main = Handler(Looper.getMainLooper())
    private val waiting = AtomicInteger()

    /** True while a job runs or waits. */
    val isBusy: Boolean get() = waiting.get() > 0

    fun submit(job: () -> Unit) {
        waiting.incrementAndGet()
        executor.execute {
            val problem = problemOf(job)
            waiting.decrementAndGet()
            main.post { ended(problem) }
        }
    }

    /** Runs [action] on the main thread: at once where this is it, else after what is posted already. */
    fun onMain(action: () -> Unit) {
        if (Looper.myLooper() == Looper.getMainLooper()) action() else main.post(action)
    }

    private fun problemOf(job: () -> Unit): Problem? {
        try {
            job()
            return null
        } catch (error: DemoException) {
            Log.w(TAG, error)
            return error.problem
        } catch (error: OutOfMemoryError) {
            Log.w(TAG, error)
            return Problem.NO_MEMORY
        } catch (error: IOException) {
            Log.w(TAG, error)
            return Problem.UNREADABLE
        } catch (error: RuntimeException) { // whatever a device's decoders and providers come up with
            Log.w(TAG, error)
            return Problem.UNEXPECTED
        }
    }

    private companion object {
        const val TAG = "MobileViT"
    }
}
