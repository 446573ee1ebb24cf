package dev.mobilevit.demo

import android.graphics.Bitmap
import android.graphics.Color
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Draws the real screens, light and dark, into target/screenshots. */
@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreenshotTest {
    @Test
    fun light() = shootMain("light")

    @Test
    @Config(qualifiers = "+night")
    fun dark() = shootMain("dark")

    @Test
    @Config(qualifiers = "+land")
    fun landscape() {
        val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        answer()
        val drawn = Screen.save(controller.get(), "landscape")
        assertTrue(drawn.width > drawn.height)
    }

    private fun shootMain(theme: String) {
        val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        Screen.awaitIdle()
        val empty = Screen.save(controller.get(), "start_$theme")
        answer()
        val answered = Screen.save(controller.get(), "result_$theme")
        assertTrue("the photo is drawn", colors(answered) > colors(empty) && !answered.sameAs(empty))
        val background = Color.luminance(empty.getPixel(2, empty.height - 2))
        assertTrue("background $background", if (theme == "dark") background < 0.1 else background > 0.8)
    }

    private fun answer() {
        val known = Screen.app.session.photos.samples.first { "dandelion" in it } // a class of the shipped model
        Screen.app.session.openSample(known)
        Screen.awaitIdle()
    }

    private fun colors(bitmap: Bitmap): Int {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        return pixels.toSet().size
    }
}
