package dev.mobilevit.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.text.Layout
import android.text.StaticLayout
import android.text.TextPaint
import kotlin.math.max

/** A photo with its answer written below it, as one picture to send. */
object AnswerPicture {
    private const val SMALLEST_WIDTH = 480 // pixels, so that text has room below a narrow photo
    private const val LINE_SHARE = 22 // of the width for one line's height
    private const val MARGIN_LINES = 1

    fun draw(context: Context, photo: Bitmap, text: String): Bitmap {
        val width = max(photo.width, SMALLEST_WIDTH)
        val paint = TextPaint(TextPaint.ANTI_ALIAS_FLAG)
        paint.textSize = width.toFloat() / LINE_SHARE
        paint.color = context.getColor(R.color.text)
        val margin = (MARGIN_LINES * paint.textSize).toInt()
        val lines = StaticLayout.Builder.obtain(text, 0, text.length, paint, width - 2 * margin)
            .setAlignment(Layout.Alignment.ALIGN_NORMAL)
            .build()
        val picture = Bitmap.createBitmap(width, photo.height + lines.height + 2 * margin, Bitmap.Config.ARGB_8888)
        val canvas = Canvas(picture)
        canvas.drawColor(context.getColor(R.color.card))
        canvas.drawBitmap(photo, (width - photo.width) / 2f, 0f, null)
        canvas.translate(margin.toFloat(), (photo.height + margin).toFloat())
        lines.draw(canvas)
        return picture
    }
}
