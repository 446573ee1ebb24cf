package dev.mobilevit.demo

import android.Manifest
import android.content.Intent
import android.graphics.ImageFormat
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.net.Uri
import android.provider.Settings
import android.util.Size
import android.view.View
import android.widget.Button
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.YuvFrame
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.StreamConfigurationMapBuilder

/** The live screen with Robolectric's cameras; frames come from the test, as Robolectric's cameras give none. */
@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class LiveActivityTest {
    @Before
    fun loadTheModel() = Screen.awaitIdle()

    @Test
    fun withoutACameraTheButtonIsNotThere() {
        val without = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        assertEquals(View.GONE, without.findViewById<View>(R.id.live).visibility)
        addCamera("0", front = false)
        val with = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        with.findViewById<View>(R.id.live).performClick()
        assertEquals(LiveActivity::class.java.name, shadowOf(with).nextStartedActivity.component!!.className)
    }

    @Test
    fun thePermissionIsAskedWithAReasonAndAfterARefusalForGoodTheSettingsAreOffered() {
        addCamera("0", front = false)
        val activity = Robolectric.buildActivity(LiveActivity::class.java).setup().get()
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.permission).visibility)
        assertNull("nothing is asked before the user has read why", shadowOf(activity).lastRequestedPermission)
        assertFalse(activity.findViewById<View>(R.id.shutter).isEnabled)
        val allow = activity.findViewById<Button>(R.id.allow)
        allow.performClick()
        val asked = shadowOf(activity).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.CAMERA), asked.requestedPermissions.toList())
        activity.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(-1))
        assertEquals(activity.getString(R.string.open_settings), allow.text)
        allow.performClick()
        val settings = shadowOf(activity).nextStartedActivity
        assertEquals(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, settings.action)
        assertEquals(Uri.parse("package:${activity.packageName}"), settings.data)
        shadowOf(Screen.app).grantPermissions(Manifest.permission.CAMERA)
        activity.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(0))
        assertEquals(View.GONE, activity.findViewById<View>(R.id.permission).visibility)
    }

    @Test
    fun buttonsAreThoseOfTheCamerasThereAre() {
        addCamera("0", front = false, torch = true)
        val single = live().get()
        assertEquals(View.GONE, single.findViewById<View>(R.id.flip).visibility)
        assertEquals(View.VISIBLE, single.findViewById<View>(R.id.torch).visibility)
        addCamera("1", front = true)
        val both = live().get()
        assertEquals(View.VISIBLE, both.findViewById<View>(R.id.flip).visibility)
        both.findViewById<View>(R.id.flip).performClick()
        assertEquals(View.GONE, both.findViewById<View>(R.id.torch).visibility)
    }

    @Test
    fun framesAreAnsweredAndShownWithTimesAndTheOrientationIsTheSensors() {
        addCamera("0", front = false)
        val activity = live().get()
        val run = run(activity)
        assertEquals(6, run.orientation)
        repeat(3) { feed(run, Frames.noise(640, 480, 704, 640, 2)) }
        Screen.await("a frame") { run.state.live != null }
        val answer = run.state.live!!.answer
        val rows = Screen.children(activity.findViewById(R.id.guesses))
        assertEquals(answer.guesses.map { it.label }, rows.map { Screen.text(it.findViewById(R.id.label)) })
        assertTrue(Screen.text(activity.findViewById(R.id.times)).endsWith("frames a second"))
        feed(run, Frames.plain(640, 480, 128))
        Screen.await("the next") { run.state.live!!.answer !== answer }
        assertEquals("rows are filled, not made again", rows, Screen.children(activity.findViewById(R.id.guesses)))
    }

    @Test
    fun theShutterHoldsAFrameAndSharesItWithItsAnswer() {
        addCamera("0", front = false)
        val activity = live().get()
        val run = run(activity)
        activity.findViewById<View>(R.id.shutter).performClick()
        feed(run, Frames.plain(640, 480, 200))
        Screen.await("the held frame") { run.state.frozen != null }
        val held = run.state.frozen!!
        assertEquals("upright", 480 to 640, held.picture.width to held.picture.height)
        assertEquals(0xFFC8C8C8.toInt(), held.picture.getPixel(100, 100))
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.held).visibility)
        activity.findViewById<View>(R.id.share).performClick()
        Screen.awaitIdle()
        val chooser = shadowOf(activity).nextStartedActivity
        @Suppress("DEPRECATION")
        val sent = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertTrue(sent.getStringExtra(Intent.EXTRA_TEXT)!!.contains(held.answer.guesses.first().label))
        activity.findViewById<View>(R.id.shutter).performClick()
        assertNull(run.state.frozen)
        assertEquals(View.GONE, activity.findViewById<View>(R.id.held).visibility)
    }

    @Test
    fun aHeldFrameStaysThroughARotation() {
        addCamera("0", front = false)
        val controller = live()
        controller.get().findViewById<View>(R.id.shutter).performClick()
        feed(run(controller.get()), Frames.plain(64, 48, 50))
        Screen.await("the held frame") { run(controller.get()).state.frozen != null }
        controller.recreate()
        assertNotNull(run(controller.get()).state.frozen)
        assertEquals(View.VISIBLE, controller.get().findViewById<View>(R.id.held).visibility)
    }

    @Test
    fun aModelThatGoesBadIsOneSentence() {
        addCamera("0", front = false)
        val activity = live().get()
        Screen.app.filesDir.resolve("model.tflite").writeBytes(ByteArray(100))
        feed(run(activity), Frames.plain(64, 48, 50))
        Screen.await("the problem") { run(activity).state.problem != null }
        assertEquals(activity.getString(Problem.NOT_A_MODEL.text), Screen.text(activity.findViewById(R.id.problem)))
    }

    @Test
    fun theMatrixTurnsThePreviewForEveryDisplay() {
        val corner = { rotation: Int ->
            floatArrayOf(0f, 0f).also { LiveViews.turned(rotation, 300f, 400f).mapPoints(it) }
        }
        for ((rotation, expected) in listOf(0f to 0f, 0f to 400f, 300f to 400f, 300f to 0f).withIndex()) {
            assertEquals("$rotation", expected.first, corner(rotation)[0], 0.01f)
            assertEquals("$rotation", expected.second, corner(rotation)[1], 0.01f)
        }
    }

    private fun live(): ActivityController<LiveActivity> {
        shadowOf(Screen.app).grantPermissions(Manifest.permission.CAMERA)
        return Robolectric.buildActivity(LiveActivity::class.java).setup()
    }

    private fun feed(run: LiveRun, frame: YuvFrame) = run.post { run.onFrame(frame) }

    companion object {
    fun run(activity: LiveActivity): LiveRun =
            LiveActivity::class.java.getDeclaredField("run").apply { isAccessible = true }.get(activity) as LiveRun

        fun addCamera(id: String, front: Boolean, torch: Boolean = false) {
            val traits = ShadowCameraCharacteristics.newCameraCharacteristics()
            val facing = if (front) CameraCharacteristics.LENS_FACING_FRONT else CameraCharacteristics.LENS_FACING_BACK
            val sizes = StreamConfigurationMapBuilder.newBuilder()
            for (size in listOf(Size(1920, 1080), Size(640, 480), Size(320, 240))) {
                sizes.addOutputSize(size).addOutputSize(ImageFormat.YUV_420_888, size)
            }
            shadowOf(traits).apply {
                set(CameraCharacteristics.LENS_FACING, facing)
                set(CameraCharacteristics.SENSOR_ORIENTATION, if (front) 270 else 90)
                set(CameraCharacteristics.FLASH_INFO_AVAILABLE, torch)
                set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, sizes.build())
            }
            shadowOf(Screen.app.getSystemService(CameraManager::class.java)).addCamera(id, traits)
        }
    }
}
