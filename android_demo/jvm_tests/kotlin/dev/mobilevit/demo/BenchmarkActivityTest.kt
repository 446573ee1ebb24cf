package dev.mobilevit.demo

import android.content.ClipboardManager
import android.view.View
import dev.mobilevit.demo.core.Benchmark
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = "w411dp-h891dp-night-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class BenchmarkActivityTest {
    @Test
    fun aBenchmarkFillsSixRowsSurvivesARotationAndIsCopiedAsOneLine() {
        openSmallModel()
        val controller = Robolectric.buildActivity(BenchmarkActivity::class.java).setup()
        val copy = controller.get().findViewById<View>(R.id.copy)
        assertFalse(copy.isEnabled)
        controller.get().findViewById<View>(R.id.start).performClick()
        assertTrue(Screen.app.session.benchmark.state.running)
        controller.recreate()
        Screen.await("the benchmark") { !Screen.app.session.benchmark.state.running }
        val rows = Screen.children(controller.get().findViewById(R.id.timings))
        assertEquals(Benchmark.SETTINGS.size, rows.size)
        assertTrue(Screen.text(rows.first().findViewById(R.id.label)).contains("XNNPACK, 1 thread"))
        Screen.save(controller.get(), "benchmark")
        controller.get().findViewById<View>(R.id.copy).performClick()
        val clip = Screen.app.getSystemService(ClipboardManager::class.java).primaryClip!!
        val line = clip.getItemAt(0).text.toString()
        assertEquals(1, line.lines().size)
        assertTrue(line, line.contains(Screen.app.session.state.modelName!!) && line.contains("Android 14"))
    }

    /** 360 inferences of the shipped model without its delegate would take a minute on a busy machine. */
    private fun openSmallModel() {
        val bytes = Golden.folder.resolve("models/uint8_output.tflite").readBytes()
        Screen.app.session.openModel(Screen.offer("small.tflite", bytes))
        Screen.awaitIdle()
        assertEquals("uint8_output", Screen.app.session.state.modelName)
    }

    @Test
    fun leavingTheScreenEndsTheBenchmark() {
        Screen.awaitIdle()
        val controller = Robolectric.buildActivity(BenchmarkActivity::class.java).setup()
        controller.get().findViewById<View>(R.id.start).performClick()
        controller.get().finish()
        controller.pause().stop().destroy()
        Screen.await("the end") { !Screen.app.session.benchmark.state.running }
        assertFalse(Screen.app.session.benchmark.state.isComplete)
    }
}
