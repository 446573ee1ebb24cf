package dev.mobilevit.demo

import dev.mobilevit.demo.core.Problem
import java.io.File
import java.util.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Damaged copies of the shipped model through the app's own code, in a process of its own as in the app. */
class MutationTest {
    @Test
    fun aThousandMutatedModelsRunOrAreOneProblemEach() {
        val random = Random(0)
        val outcomes = HashMap<Problem?, Int>()
        val file = File.createTempFile("mutated", ".tflite")
        ProbeProcess().use { probe ->
            file.writeBytes(ModelFiles.shipped)
            assertEquals(null, probe.problemOf(file))
            repeat(MUTATIONS) {
                file.writeBytes(mutate(ModelFiles.shipped, random))
                outcomes.merge(probe.problemOf(file), 1, Int::plus)
            }
            println("$outcomes, of these ${probe.crashes} crashes of the probing process")
            assertTrue("${probe.crashes} crashes", probe.crashes <= MOST_CRASHES)
        }
        file.delete()
        assertEquals(MUTATIONS, outcomes.values.sum())
        assertTrue("$outcomes", (outcomes[null] ?: 0) > 100 && MUTATIONS - (outcomes[null] ?: 0) > 100)
        val said = setOf(
            null, Problem.NOT_A_MODEL, Problem.NO_METADATA, Problem.BAD_METADATA, Problem.DAMAGED_MODEL,
            Problem.MODEL_MISMATCH, Problem.NO_MEMORY,
        )
        assertTrue("$outcomes", said.containsAll(outcomes.keys))
    }

    /** Cut off, a block overwritten, a block copied elsewhere, or single bytes changed; often where the graph is. */
    private fun mutate(data: ByteArray, random: Random): ByteArray {
        val size = data.size
        val (low, high) = listOf(0 to size, 0 to size, 0 to EDGE, size - EDGE to size)[random.nextInt(4)]
        fun place() = low + random.nextInt(high - low)
        val changed = data.copyOf()
        when (random.nextInt(4)) {
            0 -> return data.copyOf(8 + random.nextInt(size - 8))
            1 -> {
                val start = place()
                changed.fill(if (random.nextBoolean()) 0 else -1, start, minOf(size, start + 1 + random.nextInt(4095)))
            }
            2 -> {
                val (from, to) = place() to place()
                data.copyInto(changed, to, from, from + minOf(1 + random.nextInt(511), size - maxOf(from, to)))
            }
            else -> repeat(1 + random.nextInt(99)) { changed[place()] = random.nextInt().toByte() }
        }
        return changed
    }

    private companion object {
        const val MUTATIONS = 1000
        const val EDGE = 1 shl 15 // bytes at either end, where the graph and the labels are

        /** A file can pass the runtime's verifier and still lead it astray: that is why the probe has its process. */
        const val MOST_CRASHES = 5
    }
}
