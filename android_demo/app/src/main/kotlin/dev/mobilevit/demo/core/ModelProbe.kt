package dev.mobilevit.demo.core

import dev.mobilevit.demo.FileMapping
import java.io.File
import java.io.IOException

/** The first run of a model of unknown origin. A damaged file can crash the runtime: run this where only it dies. */
object ModelProbe {
    /** Loads [model] and runs it once: null where it runs, else what is wrong with it. */
    fun problemOf(model: File): Problem? = try {
        Classifier(FileMapping.map(model)).use { it.warmUp() }
        null
    } catch (error: DemoException) {
        error.problem
    } catch (_: IOException) {
        Problem.UNREADABLE
    } catch (_: OutOfMemoryError) {
        Problem.NO_MEMORY
    }
}
