package dev.mobilevit.demo

import android.Manifest
import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Color
import android.view.View
import android.widget.TextView
import android.widget.Toolbar
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Draws the real screens into target/screenshots, and looks for text that is cut off. */
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
        val drawn = shootAll("landscape")
        assertTrue(drawn.width > drawn.height)
    }

    @Test
    fun lettersOfTwiceTheSize() {
        RuntimeEnvironment.setFontScale(2f)
        shootAll("large_letters")
    }

    @Test
    @Config(qualifiers = "+ar-ldrtl")
    fun rightToLeft() {
        shootAll("right_to_left")
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        assertEquals(View.LAYOUT_DIRECTION_RTL, activity.window.decorView.layoutDirection)
        val (pick, camera) = activity.findViewById<View>(R.id.pick) to activity.findViewById<View>(R.id.camera)
        assertTrue("the first button is the right one", pick.left > camera.left)
    }

    @Test
    @Config(qualifiers = "w1280dp-h800dp-land-mdpi")
    fun tablet() {
        shootAll("tablet")
    }

    private fun shootMain(theme: String) {
        LiveActivityTest.addCamera("0", front = false, torch = true)
        val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        Screen.awaitIdle()
        val empty = Screen.save(controller.get(), "start_$theme")
        answer()
        val answered = Screen.save(controller.get(), "result_$theme")
        assertTrue("the photo is drawn", colors(answered) > colors(empty) && !answered.sameAs(empty))
        val background = Color.luminance(empty.getPixel(2, empty.height - 2))
        assertTrue("background $background", if (theme == "dark") background < 0.1 else background > 0.8)
        shootLive("live_$theme")
    }

    /** The main screen with an answer, the live screen with and without permission, settings, benchmark. */
    private fun shootAll(name: String): Bitmap {
        LiveActivityTest.addCamera("0", front = false, torch = true)
        LiveActivityTest.addCamera("1", front = true)
        val main = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        Screen.awaitIdle()
        answer()
        val drawn = shoot(main, name)
        shoot(Robolectric.buildActivity(SettingsActivity::class.java).setup().get(), "settings_$name")
        shoot(Robolectric.buildActivity(BenchmarkActivity::class.java).setup().get(), "benchmark_$name")
        shoot(Robolectric.buildActivity(LiveActivity::class.java).setup().get(), "permission_$name")
        shootLive("live_$name")
        return drawn
    }

    private fun shootLive(name: String) {
        shadowOf(Screen.app).grantPermissions(Manifest.permission.CAMERA)
        val activity = Robolectric.buildActivity(LiveActivity::class.java).setup().get()
        val run = LiveActivityTest.run(activity)
        run.freeze()
        val photo = Golden.samples.resolve("dandelion.jpg")
        run.post { run.onFrame(Frames.ofPhoto(photo, 640, 480, run.orientation)) }
        Screen.await("the held frame") { run.state.frozen != null }
        shoot(activity, name)
    }

    private fun shoot(activity: Activity, name: String): Bitmap {
        val drawn = Screen.save(activity, name)
        for (view in Screen.all(activity.window.decorView).filter { it.isShown }) {
            if (view is TextView && view.text.isNotBlank()) assertUncut(name, view)
            if (view.isClickable && !isBar(view)) {
                val least = TOUCHABLE * activity.resources.displayMetrics.density
                assertTrue("$name: $view can be touched", view.height >= least && view.width >= least)
            }
        }
        return drawn
    }

    /** Every line of [view] is as high as the view lets it be; a label's lines are limited on purpose. */
    private fun assertUncut(name: String, view: TextView) {
        val layout = view.layout ?: return
        val room = view.height - view.compoundPaddingTop - view.compoundPaddingBottom
        assertTrue("$name: \"${view.text}\" needs ${layout.height} of $room", layout.height <= room || isBar(view))
        val mayEnd = view.id == R.id.label || view.id == R.id.headline || isBar(view)
        val ends = (0 until layout.lineCount).any { layout.getEllipsisCount(it) > 0 }
        assertTrue("$name: \"${view.text}\" is cut", !ends || mayEnd)
    }

    /** The system's own views in the bar at the top. */
    private fun isBar(view: View) = generateSequence(view.parent) { it.parent }.any { it is Toolbar }

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

    private companion object {
        const val TOUCHABLE = 47.9f // dp: Android asks for 48
    }
}
