package dev.mobilevit.demo

import android.view.View

/**
 * Keeps a screen's content clear of the bars and cut-outs: from target 35 on every window lies under them.
 * (`fitsSystemWindows` would do it too, but throws the view's own padding away.)
 */
object Insets {
    fun pad(view: View) {
        val (left, top, right, bottom) = with(view) {
            listOf(paddingLeft, paddingTop, paddingRight, paddingBottom)
        }
        view.setOnApplyWindowInsetsListener { target, insets ->
            @Suppress("DEPRECATION") // its successor is newer than minSdk, and both give the same numbers here
            target.setPadding(
                left + insets.systemWindowInsetLeft, top + insets.systemWindowInsetTop,
                right + insets.systemWindowInsetRight, bottom + insets.systemWindowInsetBottom,
            )
            insets
        }
    }
}
