package dev.mobilevit.demo

import android.content.Context
import android.graphics.Canvas
import android.graphics.Path
import android.util.AttributeSet
import android.widget.FrameLayout

/** A FrameLayout with rounded corners on every kind of canvas; an outline clips on the hardware's only. */
class RoundFrame(context: Context, attributes: AttributeSet?) : FrameLayout(context, attributes) {
    private val corners = Path()
    private val radius = resources.getDimension(R.dimen.corner)

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) {
        super.onSizeChanged(width, height, oldWidth, oldHeight)
        corners.reset()
        corners.addRoundRect(0f, 0f, width.toFloat(), height.toFloat(), radius, radius, Path.Direction.CW)
    }

    override fun draw(canvas: Canvas) {
        canvas.save()
        canvas.clipPath(corners)
        super.draw(canvas)
        canvas.restore()
    }
}
