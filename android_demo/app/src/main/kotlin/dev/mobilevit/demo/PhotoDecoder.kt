package dev.mobilevit.demo

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.RectF
import android.os.Build
import dev.mobilevit.demo.core.Box
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.PhotoHeader
import dev.mobilevit.demo.core.PixelOps
import dev.mobilevit.demo.core.Pixels
import dev.mobilevit.demo.core.Problem
import java.io.File
import kotlin.math.max

/**
 * A photo's file -> upright pixels in sRGB, by the rule of `mobilevit_tf/pixels.py`.
 *
 * A photo of more than [MAX_DECODED_PIXELS] is decoded at 1/2, 1/4 or 1/8: the first that fits. A JPEG is then scaled
 * by libjpeg's DCT, the same as on the desktop. For the other formats Android drops pixels (PNG, GIF, BMP) or scales
 * in its decoder (WebP, HEIC, AVIF), where the desktop decodes all of them: only there the pixels can differ.
 */
object PhotoDecoder {
    /** More are refused before decoding. */
    const val MAX_PHOTO_PIXELS = 100_000_000

    /** The same for a baseline JPEG, which is decoded at an eighth of its sides without holding the whole. */
    const val MAX_JPEG_PIXELS = 1 shl 28

    /** 16 MiB as ints; the memory of one decoded photo is at most three times that, for a moment. */
    const val MAX_DECODED_PIXELS = 1 shl 22

    /** @throws DemoException NOT_A_PICTURE, DAMAGED_PICTURE or HUGE_PICTURE. */
    fun decode(file: File): Pixels {
        val header = PhotoHeader.read(FileMapping.map(file))
        if (!header.isComplete) throw DemoException(Problem.DAMAGED_PICTURE)
        val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, options)
        if (options.outWidth <= 0 || options.outHeight <= 0) throw DemoException(Problem.NOT_A_PICTURE)
        val limit = if (header.isBaselineJpeg) MAX_JPEG_PIXELS else MAX_PHOTO_PIXELS
        if (options.outWidth.toLong() * options.outHeight > limit) throw DemoException(Problem.HUGE_PICTURE)
        options.inJustDecodeBounds = false
        options.inSampleSize = PixelOps.sampleSize(options.outWidth, options.outHeight, MAX_DECODED_PIXELS)
        options.inPreferredConfig = Bitmap.Config.ARGB_8888
        options.inPremultiplied = false // transparency is composed below, exactly
        options.inScaled = false
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            options.inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
        }
        val bitmap = BitmapFactory.decodeFile(file.path, options) ?: throw DemoException(Problem.DAMAGED_PICTURE)
        return PixelOps.upright(opaquePixels(bitmap), header.orientation)
    }

    /** The photo for the screen, its longer side at most [longestSide]; Android's own scaling is good enough here. */
    fun preview(photo: Pixels, longestSide: Int): Bitmap {
        val full = Bitmap.createBitmap(photo.argb, photo.width, photo.height, Bitmap.Config.ARGB_8888)
        val longer = max(photo.width, photo.height)
        if (longer <= longestSide) return full
        val width = max(1, photo.width * longestSide / longer)
        val height = max(1, photo.height * longestSide / longer)
        return Bitmap.createScaledBitmap(full, width, height, true).also { full.recycle() }
    }

    /** [box] of a picture of [width] x [height], in shares of its sides. */
    fun shares(box: Box, width: Int, height: Int) = RectF(
        box.left.toFloat() / width, box.top.toFloat() / height,
        box.right.toFloat() / width, box.bottom.toFloat() / height,
    )

    private fun opaquePixels(bitmap: Bitmap): Pixels {
        val (width, height) = bitmap.width to bitmap.height
        val argb = IntArray(width * height)
        bitmap.getPixels(argb, 0, width, 0, 0, width, height)
        if (bitmap.hasAlpha()) PixelOps.composeOnWhite(argb)
        bitmap.recycle()
        return Pixels(width, height, argb)
    }
}
