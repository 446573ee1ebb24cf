package dev.mobilevit.demo

import android.content.Intent
import android.view.View
import android.widget.ImageView
import android.widget.TextView
import android.widget.Toolbar
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.io.InputStream
import java.util.concurrent.CountDownLatch
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** What went wrong once: each stays mended. */
@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class DefectsTest {
    private val photo get() = Golden.samples.listFiles()!!.filter { it.name.endsWith(".jpg") }.min().readBytes()

    @Test
    fun oneScreenThatStopsDoesNotMakeAnotherDeaf() {
        val first = Robolectric.buildActivity(MainActivity::class.java).setup()
        val second = Robolectric.buildActivity(MainActivity::class.java).setup()
        first.pause().stop()
        Screen.awaitIdle()
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        assertEquals(View.VISIBLE, second.get().findViewById<View>(R.id.result).visibility)
        second.pause().stop()
        first.restart().start().resume()
        assertEquals(View.VISIBLE, first.get().findViewById<View>(R.id.result).visibility)
    }

    @Test
    fun anOpenedModelThatTookTheProcessAlongTwiceGivesWayAndOneThatDidOnceIsTriedAgain() {
        val opened = Screen.app.filesDir.resolve("model.tflite")
        val marker = Screen.app.filesDir.resolve("model.running")
        opened.writeBytes(ModelFiles.withJson("model_info.json", "name" to "Opened"))
        marker.writeBytes(ByteArray(1))
        val again = Screen.await(Session(Screen.app))
        assertEquals("Opened", again.modelName)
        assertNull(again.problem)
        assertFalse("a run that came back leaves no marker", marker.exists())
        marker.writeBytes(ByteArray(2))
        val given = Screen.await(Session(Screen.app))
        assertTrue(given.modelName != "Opened")
        assertEquals(Problem.DAMAGED_MODEL, given.problem)
        assertFalse(opened.exists() || marker.exists())
    }

    @Test
    fun theMarkerStandsWhileAnOpenedModelRunsAndNeverForTheBundledOne() {
        val store = ModelStore(Screen.app)
        val marker = Screen.app.filesDir.resolve("model.running")
        assertFalse(store.watched { marker.exists() })
        Screen.app.filesDir.resolve("model.tflite").writeBytes(ModelFiles.shipped)
        assertTrue(store.watched { marker.exists() })
        assertFalse(marker.exists())
    }

    @Test
    fun aProviderThatHangsIsGivenUpAndNeverWritesLater() {
        val hangs = CountDownLatch(1)
        val stream = object : InputStream() {
            override fun read(): Int {
                hangs.await()
                return -1
            }
        }
        val uri = Screen.offer("hanging.jpg", ByteArray(0))
        shadowOf(Screen.resolver).registerInputStreamSupplier(uri) { stream }
        val session = Session(Screen.app, quietMs = 300)
        Screen.await(session)
        session.openPhoto(uri)
        assertEquals(Problem.TOO_SLOW, Screen.await(session).problem)
        session.openPhoto(Screen.offer("photo.jpg", photo))
        assertNotNull(Screen.await(session).answer)
        val kept = session.photos.current.readBytes()
        hangs.countDown()
        Thread.sleep(200)
        assertTrue(kept.contentEquals(session.photos.current.readBytes()))
    }

    @Test
    fun anotherPhotoEndsTheWaitingForAHangingOne() {
        val uri = Screen.offer("hanging.jpg", ByteArray(0))
        shadowOf(Screen.resolver).registerInputStreamSupplier(uri) { CountDownLatch(1).await().let { null } }
        Screen.awaitIdle()
        val start = System.nanoTime()
        Screen.app.session.openPhoto(uri)
        Thread.sleep(300)
        Screen.app.session.openPhoto(Screen.offer("photo.jpg", photo))
        Screen.awaitIdle()
        assertNotNull(Screen.app.session.state.answer)
        assertTrue((System.nanoTime() - start) / 1e6 < Patience.QUIET_MS)
    }

    @Test
    fun workThatGivesNoSignOfLifeIsAbandonedAndWorkThatDoesIsNot() {
        val slow = Patience(200)
        val done = slow.await({}) {
            repeat(5) {
                Thread.sleep(100)
                slow.sign()
            }
            7
        }
        assertEquals(7, done)
        var abandoned = false
        val error = assertThrows(DemoException::class.java) {
            Patience(100).await({ abandoned = true }) { Thread.sleep(60_000) }
        }
        assertEquals(Problem.TOO_SLOW, error.problem)
        assertTrue(abandoned)
    }

    @Test
    fun aShareIsNotTakenAgainFromTheListOfRecentApps() {
        val intent = Intent(Intent.ACTION_SEND).addFlags(Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY)
        val activity = Robolectric.buildActivity(MainActivity::class.java, intent).setup().get()
        Screen.awaitIdle()
        assertEquals(View.GONE, activity.findViewById<View>(R.id.problem).visibility)
        assertNull(Screen.app.session.state.answer)
    }

    @Test
    fun theBenchmarkNamesTheModelOnceItIsThereAndKeepsTheScreenOn() {
        val activity = Robolectric.buildActivity(BenchmarkActivity::class.java).setup().get()
        Screen.awaitIdle()
        assertEquals(Screen.app.session.state.modelName, activity.findViewById<Toolbar>(R.id.toolbar).subtitle)
        assertTrue(activity.findViewById<View>(R.id.root).keepScreenOn)
    }

    @Test
    fun thePhotoIsShownWholeAndThePartThatTheModelSeesIsMarked() {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        Screen.awaitIdle()
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        val (state, view) = Screen.app.session.state to activity.findViewById<ImageView>(R.id.photo)
        val spec = state.spec!!
        val seen = activity.findViewById<SeenFrame>(R.id.seen).seen!!
        val side = minOf(state.photo!!.width, state.photo!!.height) * spec.cropFraction
        assertEquals(side, seen.width().toDouble() * state.photo!!.width, 2.0)
        assertEquals(side, seen.height().toDouble() * state.photo!!.height, 2.0)
        Screen.layOut(activity)
        assertEquals(state.photo!!.width.toDouble() / state.photo!!.height, view.width.toDouble() / view.height, 0.02)
    }

    @Test
    fun anAnswerIsSpokenOnceAndItsRowsAreNotMadeAgain() {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        Screen.awaitIdle()
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        val headline = activity.findViewById<TextView>(R.id.headline)
        assertEquals(View.ACCESSIBILITY_LIVE_REGION_POLITE, headline.accessibilityLiveRegion)
        val rows = Screen.children(activity.findViewById(R.id.guesses))
        val outer = generateSequence(rows.first().parent as? View) { it.parent as? View }
        assertTrue(outer.all { it.accessibilityLiveRegion == View.ACCESSIBILITY_LIVE_REGION_NONE })
        Screen.app.session.openSample(Screen.app.session.photos.samples.last())
        Screen.awaitIdle()
        assertEquals(rows, Screen.children(activity.findViewById(R.id.guesses)))
    }

    @Test
    fun anInstalledModelHasRunBeforeItReplacesTheOldOne() {
        Screen.awaitIdle()
        val name = Screen.app.session.state.modelName
        val mismatch = ModelFiles.withParts(ModelFiles.parts + ("labels.txt" to "a\nb\n".toByteArray()))
        Screen.app.session.openModel(Screen.offer("bad.tflite", mismatch))
        Screen.awaitIdle()
        assertFalse(Screen.app.session.models.hasOpened)
        assertEquals(name, Screen.app.session.state.modelName)
        assertEquals(emptyList<String>(), Screen.app.filesDir.list()!!.filter { "candidate" in it || "incoming" in it })
    }
}
