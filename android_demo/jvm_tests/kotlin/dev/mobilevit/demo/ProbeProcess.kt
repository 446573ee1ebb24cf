package dev.mobilevit.demo

import dev.mobilevit.demo.core.ModelProbe
import dev.mobilevit.demo.core.Problem
import java.io.Closeable
import java.io.File

/** What the app's probing process does, in a JVM of its own: a path on each line in, a problem or "runs" out. */
object ProbeMain {
    @JvmStatic
    fun main(arguments: Array<String>) {
        while (true) println("answer: " + (ModelProbe.problemOf(File(readlnOrNull() ?: return))?.name ?: "runs"))
    }
}

/** A JVM that probes model files, made anew after a crash as Android does it for the app's `:probe` process. */
class ProbeProcess : Closeable {
    private var process: Process? = null
    var crashes = 0
        private set

    /** null where [model] runs; a process that died is DAMAGED_MODEL, as `ProbeProvider.probe` says it. */
    fun problemOf(model: File): Problem? {
        val child = process?.takeIf { it.isAlive } ?: start().also { process = it }
        child.outputStream.write("${model.path}\n".toByteArray())
        child.outputStream.flush()
        while (true) {
            val line = readLine(child)
            if (line == null) {
                child.waitFor()
                crashes += 1
                return Problem.DAMAGED_MODEL
            }
            if (!line.startsWith("answer: ")) continue
            val name = line.removePrefix("answer: ")
            return if (name == "runs") null else Problem.valueOf(name)
        }
    }

    override fun close() {
        process?.outputStream?.close()
        process?.waitFor()
    }

    private fun readLine(child: Process): String? {
        val line = StringBuilder()
        while (true) {
            val byte = child.inputStream.read()
            if (byte < 0) return null
            if (byte == '\n'.code) return line.toString()
            line.append(byte.toChar())
        }
    }

    private fun start(): Process {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val cache = "org.bytedeco.javacpp.cachedir"
        val command = listOf(
            java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-CreateCoredumpOnCrash",
            "-XX:ErrorFile=/dev/null", "-D$cache=${System.getProperty(cache)}",
            "-cp", System.getProperty("java.class.path"), "dev.mobilevit.demo.ProbeMain",
        )
        return ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start()
    }
}
