package dev.mobilevit.demo.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * What the container of a photo says, and Android's decoder does not: the EXIF orientation, and whether the file is
 * whole (the decoder fills what is missing with grey and says nothing).
 *
 * @property orientation 1 to 8, from EXIF, or where that has none from XMP. HEIC and AVIF are 1: their decoder turns
 *   them itself.
 * @property isBaselineJpeg its decoder holds a few rows at a time, never the whole picture.
 * @property isComplete false where a JPEG, PNG or WebP ends too early.
 */
class PhotoHeader private constructor(
    val orientation: Int,
    val isComplete: Boolean,
    val isBaselineJpeg: Boolean = false,
) {
    companion object {
        private const val UPRIGHT = 1
        private const val ORIENTATION_TAG = 0x0112
        private const val PNG_SIGNATURE = 0x89504E470D0A1A0AuL
        private const val TIFF_SHORT = 3
        private val SEVERAL_SCANS = setOf(0xC2, 0xC6, 0xCA, 0xCE) // starts of progressive frames
        private val EXIF = "Exif\u0000\u0000".toByteArray(Charsets.ISO_8859_1)
        private val XMP = "http://ns.adobe.com/xap/1.0/\u0000".toByteArray(Charsets.ISO_8859_1)
        private val XMP_ORIENTATION = "tiff:Orientation".toByteArray(Charsets.ISO_8859_1)

        /** @param exif where the first EXIF block is; more of them are not looked at, however many a file has. */
        private fun header(
            data: ByteBuffer, exif: Int?, xmp: Int?, isComplete: Boolean, isBaselineJpeg: Boolean = false,
        ): PhotoHeader {
            val orientation = exif?.let { tiffOrientation(data, it) } ?: xmp
            return PhotoHeader(orientation?.takeIf { it in 1..8 } ?: UPRIGHT, isComplete, isBaselineJpeg)
        }

        /** Reads the header of any file; one that is no known picture is upright and complete. */
        fun read(photo: ByteBuffer): PhotoHeader {
            val data = photo.duplicate().order(ByteOrder.BIG_ENDIAN)
            return when {
                data.limit() < 12 -> PhotoHeader(UPRIGHT, isComplete = true)
                data.getShort(0) == 0xFFD8.toShort() -> readJpeg(data)
                data.getLong(0).toULong() == PNG_SIGNATURE -> readPng(data)
                data.text(0) == "RIFF" && data.text(8) == "WEBP" -> readWebp(data)
                else -> PhotoHeader(UPRIGHT, isComplete = true)
            }
        }

        /** Walks the markers; after a start of scan, the coded data up to the next marker. */
        private fun readJpeg(data: ByteBuffer): PhotoHeader {
            var exif: Int? = null
            var xmp: Int? = null
            var baseline = true
            var at = 2
            while (at + 2 <= data.limit()) {
                val marker = data.byte(at + 1)
                if (data.byte(at) != 0xFF || marker == 0xFF || marker == 0 || marker in 0xD0..0xD7 || marker == 1) {
                    at++ // coded data, a restart, or fill bytes
                    continue
                }
                if (marker == 0xD9) return header(data, exif, xmp, isComplete = true, baseline)
                if (marker in SEVERAL_SCANS) baseline = false
                if (at + 4 > data.limit()) break
                val length = data.getShort(at + 2).toInt() and 0xFFFF
                val content = at + 4
                if (marker == 0xE1 && data.startsWith(EXIF, content)) {
                    exif = exif ?: (content + EXIF.size)
                } else if (marker == 0xE1 && data.startsWith(XMP, content)) {
                    xmp = xmpOrientation(data, content, length)
                }
                at += 2 + length
            }
            return header(data, exif, xmp, isComplete = false)
        }

        private fun readPng(data: ByteBuffer): PhotoHeader {
            var exif: Int? = null
            var xmp: Int? = null
            var at = 8
            while (at + 12 <= data.limit()) {
                val name = data.text(at + 4)
                if (name == "IEND") return header(data, exif, xmp, isComplete = true)
                val length = data.getInt(at)
                if (length < 0 || length > data.limit() - at - 12) break
                if (name == "eXIf") exif = exif ?: (at + 8)
                if (name == "iTXt") xmp = xmp ?: xmpOrientation(data, at + 8, length)
                at += 12 + length
            }
            return header(data, exif, xmp, isComplete = false)
        }

        private fun readWebp(data: ByteBuffer): PhotoHeader {
            data.order(ByteOrder.LITTLE_ENDIAN)
            val end = data.getInt(4).toLong() + 8
            var exif: Int? = null
            var xmp: Int? = null
            var at = 12L
            while (at + 8 <= minOf(end, data.limit().toLong())) {
                val name = data.text(at.toInt())
                val start = at.toInt() + 8
                val length = data.getInt(at.toInt() + 4).toLong() and 0xFFFFFFFFL
                val skip = if (data.startsWith(EXIF, start)) EXIF.size else 0
                if (name == "EXIF") exif = exif ?: (start + skip)
                if (name == "XMP ") xmp = xmpOrientation(data, start, minOf(length, Int.MAX_VALUE.toLong()).toInt())
                at += 8 + length + length % 2
            }
            return header(data, exif, xmp, end <= data.limit())
        }

        /** `tiff:Orientation="6"` or `<tiff:Orientation>6<` in an XMP packet. */
        private fun xmpOrientation(data: ByteBuffer, start: Int, length: Int): Int? {
            val end = minOf(start.toLong() + length, data.limit().toLong()).toInt() - 2
            val name = (start until end).firstOrNull { data.startsWith(XMP_ORIENTATION, it) } ?: return null
            val after = name + XMP_ORIENTATION.size
            if (after + 2 >= data.limit()) return null
            return data.byte(after + if (data.byte(after) == '='.code) 2 else 1) - '0'.code
        }

        /** Tag 0x0112 of the first directory of a TIFF block; null where there is none. */
        private fun tiffOrientation(data: ByteBuffer, start: Int): Int? {
            val tiff = data.duplicate()
            try {
                tiff.order(if (data.byte(start) == 'I'.code) ByteOrder.LITTLE_ENDIAN else ByteOrder.BIG_ENDIAN)
                val directory = start + tiff.getInt(start + 4)
                repeat(tiff.getShort(directory).toInt() and 0xFFFF) {
                    val entry = directory + 2 + 12 * it
                    if ((tiff.getShort(entry).toInt() and 0xFFFF) == ORIENTATION_TAG) {
                        val isShort = tiff.getShort(entry + 2).toInt() == TIFF_SHORT
                        return if (isShort) tiff.getShort(entry + 8).toInt() else tiff.getInt(entry + 8)
                    }
                }
            } catch (_: IndexOutOfBoundsException) { // a damaged block is no orientation, as everywhere
            }
            return null
        }

        private fun ByteBuffer.byte(index: Int): Int = get(index).toInt() and 0xFF

        private fun ByteBuffer.text(index: Int): String = String(CharArray(4) { byte(index + it).toChar() })

        private fun ByteBuffer.startsWith(prefix: ByteArray, index: Int): Boolean =
            index + prefix.size <= limit() && prefix.indices.all { get(index + it) == prefix[it] }
    }
}
