package dev.mobilevit.demo

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.util.AttributeSet
import android.view.View

/** Marks the part of the picture below it that the model gets; [seen] is in shares of this view's sides. */
class SeenFrame(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private val shade = Paint().apply { color = context.getColor(R.color.shade) }
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        style = Paint.Style.STROKE
        strokeWidth = resources.getDimension(R.dimen.seen_line)
        color = context.getColor(R.color.seen)
    }

    /** null marks nothing. */
    var seen: RectF? = null
        set(value) {
            field = value
            invalidate()
        }

    override fun onDraw(canvas: Canvas) {
        val part = seen ?: return
        val (w, h) = width.toFloat() to height.toFloat()
        val box = RectF(part.left * w, part.top * h, part.right * w, part.bottom * h)
        canvas.drawRect(0f, 0f, w, box.top, shade)
        canvas.drawRect(0f, box.bottom, w, h, shade)
        canvas.drawRect(0f, box.top, box.left, box.bottom, shade)
        canvas.drawRect(box.right, box.top, w, box.bottom, shade)
        box.inset(line.strokeWidth / 2, line.strokeWidth / 2)
        canvas.drawRect(box, line)
    }
}
