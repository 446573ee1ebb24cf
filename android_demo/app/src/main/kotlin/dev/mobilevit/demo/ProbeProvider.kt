package dev.mobilevit.demo

import android.content.Context
import android.net.Uri
import android.os.Bundle
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
    override fun call(method: String, arg: String?, extras: Bundle?): Bundle {
        val problem = ModelProbe.problemOf(File(arg.orEmpty()))
        return Bundle().apply { putString(PROBLEM, problem?.name) }
    }

    companion object {
        private const val PROBLEM = "problem"

        /** @throws DemoException what is wrong with [model]; DAMAGED_MODEL where it crashed the probing process. */
        fun probe(context: Context, model: File) {
            val uri = Uri.parse("content://${context.packageName}.probe")
            // Unstable: with a stable client the death of the provider's process would take this one along.
            val client = context.contentResolver.acquireUnstableContentProviderClient(uri)
                ?: throw DemoException(Problem.DAMAGED_MODEL)
            try {
                val problem = client.call("probe", model.path, null)?.getString(PROBLEM)
                if (problem != null) throw DemoException(Problem.valueOf(problem))
            } catch (error: RemoteException) {
                throw DemoException(Problem.DAMAGED_MODEL, error)
            } finally {
                client.close()
            }
        }
    }
}
