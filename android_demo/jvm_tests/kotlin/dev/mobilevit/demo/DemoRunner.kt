package dev.mobilevit.demo

import android.app.Activity
import android.app.Application
import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.Canvas
import android.net.Uri
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import java.io.File
import java.io.FileNotFoundException
import org.junit.Assert.assertTrue
import org.junit.runners.model.FrameworkMethod
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.internal.bytecode.InstrumentationConfiguration

/** Robolectric with the native runtime left outside of its sandbox. */
class DemoRunner(type: Class<*>) : RobolectricTestRunner(type) {
    override fun createClassLoaderConfig(method: FrameworkMethod): InstrumentationConfiguration {
        return InstrumentationConfiguration.Builder(super.createClassLoaderConfig(method))
            .doNotAcquirePackage("org.bytedeco.") // a native library belongs to one class loader
            .build()
    }
}

/** What the tests of the screens share. */
object Screen {
    val app: DemoApp get() = RuntimeEnvironment.getApplication() as DemoApp
    val resolver: ContentResolver get() = app.contentResolver

    /** A document that another app offers. */
    fun offer(name: String, bytes: ByteArray): Uri {
        val uri = Uri.parse("content://other.app/$name")
        shadowOf(resolver).registerInputStreamSupplier(uri) { bytes.inputStream() }
        return uri
    }

    /** A document that has gone when it is opened. */
    fun offerMissing(): Uri {
        val uri = Uri.parse("content://other.app/missing")
        shadowOf(resolver).registerInputStreamSupplier(uri) { throw FileNotFoundException() }
        return uri
    }

    /** Runs the main thread until [done], or fails after three minutes: a shared machine can be slow. */
    fun await(what: String, done: () -> Boolean) {
        val end = System.nanoTime() + 180_000_000_000L
        while (!done()) {
            assertTrue("$what did not happen", System.nanoTime() < end)
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(5)
        }
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun awaitIdle(application: Application = app) = await("the end of the work") {
        val state = (application as DemoApp).session.state
        !state.busy && (state.modelName != null || state.problem != null)
    }

    /** Draws a screen as it is into target/screenshots. */
    fun save(activity: Activity, name: String): Bitmap {
        layOut(activity)
        val view = activity.window.decorView
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        val file = File(System.getProperty("demo.screenshots"), "android_$name.png")
        file.parentFile!!.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
        return bitmap
    }

    /** A Session's state once its work is done. */
    fun await(session: Session): ScreenState {
        await("the work of a session") { !session.state.busy && session.state.modelName != null }
        return session.state
    }

    fun text(view: View): String = (view as TextView).text.toString()

    /** Measures and lays out a screen after its views have changed, as the next frame would. */
    fun layOut(activity: Activity) {
        val view = activity.window.decorView
        val exactly = { size: Int -> View.MeasureSpec.makeMeasureSpec(size, View.MeasureSpec.EXACTLY) }
        view.measure(exactly(view.width), exactly(view.height))
        view.layout(0, 0, view.width, view.height)
    }

    fun children(view: View): List<View> = with(view as ViewGroup) { List(childCount, ::getChildAt) }

    fun all(view: View): List<View> =
        listOf(view) + if (view is ViewGroup) children(view).flatMap(::all) else emptyList()
}

/** Qualifiers of a phone of today. */
const val PHONE = "w411dp-h891dp-xhdpi"
