package dev.mobilevit.demo

import android.content.Context
import android.content.Intent
import android.graphics.BitmapFactory
import android.net.Uri
import android.provider.OpenableColumns
import android.view.View
import android.widget.CheckBox
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.SeekBar
import dev.mobilevit.demo.core.Settings
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

@RunWith(DemoRunner::class)
@Config(sdk = [34], qualifiers = PHONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class SettingsTest {
    @Test
    fun eachChangeAnswersThePhotoAgainAndIsThereAfterARestart() {
        Screen.awaitIdle()
        val session = Screen.app.session
        session.openSample(session.photos.samples.first())
        Screen.awaitIdle()
        val activity = Robolectric.buildActivity(SettingsActivity::class.java).setup().get()
        activity.findViewById<RadioGroup>(R.id.results).findViewWithTag<RadioButton>(3).performClick()
        activity.findViewById<RadioGroup>(R.id.threads).findViewWithTag<RadioButton>(1).performClick()
        activity.findViewById<CheckBox>(R.id.live_times).performClick()
        activity.findViewById<CheckBox>(R.id.own_threshold).performClick()
        val bar = activity.findViewById<SeekBar>(R.id.threshold)
        bar.progress = 100
        activity.onStopTrackingTouch(bar)
        Screen.awaitIdle()
        assertEquals(3, session.state.answer!!.guesses.size)
        assertTrue("no score is above 100 %", session.state.answer!!.unsure)
        val expected = Settings(threads = 1, results = 3, threshold = 100, liveTimes = false)
        assertEquals(expected, session.state.settings)
        assertEquals(expected, Screen.await(Session(Screen.app)).settings)
        activity.findViewById<CheckBox>(R.id.own_threshold).performClick()
        Screen.awaitIdle()
        assertEquals(null, session.state.settings.threshold)
    }

    @Test
    fun valuesThatThisVersionDoesNotKnowAreTheDefaults() {
        val stored = Screen.app.getSharedPreferences("settings", Context.MODE_PRIVATE).edit()
        stored.putInt("threads", 3).putString("results", "many").putInt("threshold", 900).putInt("live_frame", 1)
        stored.commit()
        assertEquals(Settings(), SettingsStore(Screen.app).read())
    }

    @Test
    fun anAnswerIsSharedAsTextAndPictureThroughAReadOnlyAddress() {
        val activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        Screen.awaitIdle()
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        activity.findViewById<View>(R.id.share).performClick()
        Screen.awaitIdle()
        @Suppress("DEPRECATION")
        val sent = shadowOf(activity).nextStartedActivity.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        val (answer, photo) = Screen.app.session.state.answer!! to Screen.app.session.state.photo!!
        val lines = sent.getStringExtra(Intent.EXTRA_TEXT)!!.lines()
        assertTrue(lines.any { it.startsWith(answer.guesses.first().label) && it.endsWith("%") })
        assertEquals(Screen.app.session.state.modelName, lines.last())
        @Suppress("DEPRECATION")
        val address = sent.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)!!
        assertTrue(sent.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        assertFalse(sent.flags and Intent.FLAG_GRANT_WRITE_URI_PERMISSION != 0)
        val provider = Robolectric.setupContentProvider(ShareProvider::class.java)
        val bytes = provider.openFile(address, "r").use { BitmapFactory.decodeFileDescriptor(it.fileDescriptor) }
        assertTrue(bytes.width >= photo.width && bytes.height > photo.height)
        assertThrows(java.io.FileNotFoundException::class.java) { provider.openFile(address, "rw") }
        provider.query(address, null, null, null, null).use { cursor ->
            assertTrue(cursor.moveToFirst())
            assertEquals("answer.jpg", cursor.getString(cursor.getColumnIndexOrThrow(OpenableColumns.DISPLAY_NAME)))
            assertTrue(cursor.getLong(cursor.getColumnIndexOrThrow(OpenableColumns.SIZE)) > 1000)
        }
        val other = Uri.parse("content://${Screen.app.packageName}.share/photo")
        assertThrows(java.io.FileNotFoundException::class.java) { provider.openFile(other, "r") }
        assertEquals(0, provider.query(other, null, null, null, null).count)
    }
}
