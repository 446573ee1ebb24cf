package dev.mobilevit.demo

import android.Manifest
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraManager
import android.os.Handler
import android.os.Looper
import android.view.Surface
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.YuvFrame
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** Camera2's states as far as Robolectric has them: it gives no frames and refuses no session. */
@RunWith(DemoRunner::class)
@Config(sdk = [34])
class CameraSourceTest {
    private val problems = ArrayList<Problem>()
    private val frames = ArrayList<YuvFrame>()
    private lateinit var source: CameraSource
    private lateinit var camera: LiveCamera
    private val cameras get() = shadowOf(Screen.app.getSystemService(CameraManager::class.java))

    @Before
    fun addCamera() {
        LiveActivityTest.addCamera("0", front = false, torch = true)
        camera = Cameras.of(Screen.app).single()
        shadowOf(Screen.app).grantPermissions(Manifest.permission.CAMERA)
        source = CameraSource(Screen.app, Handler(Looper.getMainLooper()), frames::add, problems::add)
    }

    @Test
    fun theCameraIsDescribedWithTheSizeNearestToTheWantedOne() {
        assertEquals(listOf("0", 90, 640, 480), listOf(camera.id, camera.sensor, camera.size.width, camera.size.height))
        LiveActivityTest.addCamera("7", front = true)
        LiveActivityTest.addCamera("8", front = false)
        assertEquals("the first of each side", listOf("0", "7"), Cameras.of(Screen.app).map { it.id })
    }

    @Test
    fun openingEndsInARunningSessionAndClosingInNone() {
        open()
        assertEquals(emptyList<Problem>(), problems)
        for (part in listOf("device", "session", "reader", "request")) assertNotNull(part, field(part))
        source.torch(true)
        source.close()
        for (part in listOf("device", "session", "reader", "request")) assertNull(part, field(part))
        source.close()
        source.torch(true)
        assertEquals(emptyList<Problem>(), problems)
    }

    @Test
    fun whatIsClosedBeforeItHasOpenedNeverRuns() {
        source.open(camera, surface())
        source.close()
        shadowOf(Looper.getMainLooper()).idle()
        assertNull(field("session"))
        assertEquals(emptyList<Problem>(), problems)
    }

    @Test
    fun aCameraThatIsLostIsOneProblemAndCanBeOpenedAgain() {
        open()
        cameras.triggerDisconnect()
        shadowOf(Looper.getMainLooper()).idle()
        assertEquals(listOf(Problem.CAMERA_FAILED), problems)
        assertNull(field("session"))
        open()
        assertNotNull(field("session"))
    }

    @Test
    fun aCameraThatHasGoneIsOneProblem() {
        cameras.removeCamera("0")
        open()
        assertEquals(listOf(Problem.CAMERA_FAILED), problems)
    }

    private fun open() {
        source.open(camera, surface())
        shadowOf(Looper.getMainLooper()).idle()
    }

    private fun surface() = Surface(SurfaceTexture(0))

    private fun field(name: String): Any? =
        CameraSource::class.java.getDeclaredField(name).apply { isAccessible = true }.get(source)
}
