package dev.mobilevit.demo

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.View
import java.io.File
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Draws the real screens, light and dark, into target/screenshots. */
@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreenshotTest {
    @Test
    fun light() = shoot("light")

    @Test
    @Config(qualifiers = "+night")
    fun dark() = shoot("dark")

    private fun shoot(theme: String) {
        val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        Screen.awaitIdle()
        val empty = save(controller.get(), "start_$theme")
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        val answered = save(controller.get(), "result_$theme")
        assertTrue("the result is drawn", colors(answered) > colors(empty) / 2 && !answered.sameAs(empty))
        val corner = android.graphics.Color.luminance(empty.getPixel(2, empty.height - 2))
        assertTrue("background $corner", if (theme == "dark") corner < 0.1 else corner > 0.8)
        if (theme == "light") {
            RuntimeEnvironment.setQualifiers("+land")
            controller.configurationChange()
            Screen.awaitIdle()
            save(controller.get(), "landscape_$theme")
            return
        }
        val benchmark = Robolectric.buildActivity(BenchmarkActivity::class.java).setup()
        benchmark.get().findViewById<View>(R.id.start).performClick()
        Screen.await("the benchmark") { !Screen.app.session.benchmark.state.running }
        save(benchmark.get(), "benchmark_$theme")
    }

    private fun save(activity: Activity, name: String): Bitmap {
        val view = activity.window.decorView
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        val file = File(System.getProperty("demo.screenshots"), "android_$name.png")
        file.parentFile!!.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
        return bitmap
    }

    private fun colors(bitmap: Bitmap): Int {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        return pixels.toSet().size
    }
}

private const val PHONE = "w411dp-h891dp-xhdpi"
