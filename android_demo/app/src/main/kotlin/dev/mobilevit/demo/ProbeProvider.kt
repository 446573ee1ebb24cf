package dev.mobilevit.demo

import android.content.Context
import android.net.Uri
import android.os.Bundle
import android.os.Process
import android.os.RemoteException
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ModelProbe
import dev.mobilevit.demo.core.Problem
import java.io.File

/**
 * Loads and runs a model of unknown origin once, in a process of its own (`android:process` in the manifest): a damaged
 * file can crash the native runtime, and then only that process dies.
 */
class ProbeProvider : PrivateProvider() {
    override fun call(method: String, arg: String?, extras: Bundle?): Bundle = Bundle().apply {
        when (method) {
            PID -> putInt(PID, Process.myPid())
            PROBE -> putString(PROBLEM, ModelProbe.problemOf(File(arg.orEmpty()))?.name)
        }
    }

    companion object {
        private const val PID = "pid"
        private const val PROBE = "probe"
        private const val PROBLEM = "problem"
        private const val LONGEST_RUN_MS = 60_000L

        /**
         * @throws DemoException what is wrong with [model]; DAMAGED_MODEL where it crashed the probing process,
         *   TOO_SLOW where it did not come to an end and that process was ended.
         */
        fun probe(context: Context, model: File, longestMs: Long = LONGEST_RUN_MS) {
            val uri = Uri.parse("content://${context.packageName}.probe")
            // Unstable: with a stable client the death of the provider's process would take this one along.
            val client = context.contentResolver.acquireUnstableContentProviderClient(uri)
                ?: throw DemoException(Problem.DAMAGED_MODEL)
            try {
                val pid = client.call(PID, null, null)?.getInt(PID) ?: Process.myPid()
                val answer = Patience(longestMs).await({ if (pid != Process.myPid()) Process.killProcess(pid) }) {
                    client.call(PROBE, model.path, null)
                }
                val problem = answer?.getString(PROBLEM) ?: return
                throw DemoException(Problem.entries.find { it.name == problem } ?: Problem.DAMAGED_MODEL)
            } catch (error: RemoteException) {
                throw DemoException(Problem.DAMAGED_MODEL, error)
            } finally {
                client.close()
            }
        }
    }
}
