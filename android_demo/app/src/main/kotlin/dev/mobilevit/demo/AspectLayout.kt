package dev.mobilevit.demo

import android.content.Context
import android.util.AttributeSet
import android.view.Gravity
import android.widget.FrameLayout

/** Its children fill the largest box of [aspect] that fits inside, in the middle: a picture is shown whole. */
class AspectLayout(context: Context, attributes: AttributeSet?) : FrameLayout(context, attributes) {
    /** Width over height. */
    var aspect = 1f
        set(value) {
            if (field == value) return
            field = value
            requestLayout()
        }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val (most, highest) = MeasureSpec.getSize(widthSpec) to MeasureSpec.getSize(heightSpec)
        val width = minOf(most, (highest * aspect).toInt())
        for (child in children()) {
            val side = child.layoutParams as LayoutParams
            side.width = width
            side.height = minOf(highest, (width / aspect).toInt())
            side.gravity = Gravity.CENTER
        }
        super.onMeasure(widthSpec, heightSpec)
    }

    private fun children() = List(childCount, ::getChildAt)
}
