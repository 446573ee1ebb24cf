package dev.mobilevit.demo

import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.PhotoHeader
import dev.mobilevit.demo.core.Problem
import java.io.ByteArrayOutputStream
import java.io.DataOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Photos from somebody who means harm, through the app's own reader and Android's decoder. */
@RunWith(DemoRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class HostilePhotoTest {
    @Test
    fun aThousandDamagedPhotosOfEveryFormatAreAPictureOrAProblem() {
        val random = Random(2)
        val names = Golden.cases("photos").map { it.getString("file") }.filter { "large" !in it }
        val file = File.createTempFile("hostile", null)
        val outcomes = HashMap<Problem?, Int>()
        repeat(PHOTOS) { round ->
            val bytes = Golden.photo(names[round % names.size]).readBytes()
            val reach = if (random.nextBoolean()) bytes.size else minOf(bytes.size, HEADER)
            repeat(1 + random.nextInt(20)) { bytes[random.nextInt(reach)] = random.nextInt().toByte() }
            file.writeBytes(if (random.nextInt(4) == 0) bytes.copyOf(1 + random.nextInt(bytes.size)) else bytes)
            outcomes.merge(problemOf(file), 1, Int::plus)
        }
        file.delete()
        println("damaged photos: $outcomes")
        assertEquals(PHOTOS, outcomes.values.sum())
        assertTrue("$outcomes", (outcomes[null] ?: 0) > 100 && (outcomes[Problem.DAMAGED_PICTURE] ?: 0) > 100)
    }

    @Test
    fun manyMetadataBlocksThatAllPointToALongDirectoryTakeNoTime() {
        val chunks = 50_000
        val directory = 8 + chunks * 20 // behind the chunks: 65,535 entries, none of them the orientation
        val png = ByteArrayOutputStream()
        val out = DataOutputStream(png)
        out.write(byteArrayOf(0x89.toByte(), 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A))
        repeat(chunks) { index ->
            val start = 8 + index * 20 + 8
            out.writeInt(8)
            out.writeBytes("eXIf")
            out.write("MM".toByteArray() + byteArrayOf(0, 42))
            out.writeInt(directory - start)
            out.writeInt(0)
        }
        out.writeShort(0xFFFF)
        out.write(ByteArray(12 * 0xFFFF))
        val begin = System.nanoTime()
        assertEquals(1, PhotoHeader.read(ByteBuffer.wrap(png.toByteArray()).order(ByteOrder.BIG_ENDIAN)).orientation)
        assertTrue((System.nanoTime() - begin) / 1e9 < SOON)
    }

    private fun problemOf(file: File): Problem? = try {
        PhotoDecoder.decode(file)
        null
    } catch (error: DemoException) {
        error.problem
    }

    private companion object {
        const val PHOTOS = 1000
        const val HEADER = 200 // bytes
        const val SOON = 5.0 // seconds; the blocks one by one would take minutes
    }
}
