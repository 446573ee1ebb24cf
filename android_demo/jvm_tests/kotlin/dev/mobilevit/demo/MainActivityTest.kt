package dev.mobilevit.demo

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.content.pm.FeatureInfo
import android.content.pm.PackageManager
import android.net.Uri
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.widget.Toolbar
import dev.mobilevit.demo.core.Problem
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

@RunWith(DemoRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class MainActivityTest {
    private val photo get() = Golden.samples.listFiles()!!.filter { it.name.endsWith(".jpg") }.min()

    @Test
    fun startShowsTheModelsNameAndTheSamples() {
        val activity = start().get()
        val samples = Screen.children(activity.findViewById(R.id.samples))
        assertEquals(Screen.app.session.photos.samples.size, samples.size)
        assertTrue(samples.size in 1..3)
        assertEquals(Screen.app.session.state.modelName, activity.findViewById<Toolbar>(R.id.toolbar).subtitle)
        assertEquals(View.GONE, activity.findViewById<View>(R.id.result).visibility)
        assertEquals(View.GONE, activity.findViewById<View>(R.id.problem).visibility)
    }

    @Test
    fun theManifestAsksForTheCameraAloneAndWorksWithoutOne() {
        val asked = PackageManager.GET_PERMISSIONS or PackageManager.GET_CONFIGURATIONS
        val info = Screen.app.packageManager.getPackageInfo(Screen.app.packageName, asked)
        assertEquals(listOf(Manifest.permission.CAMERA), info.requestedPermissions!!.toList())
        assertTrue(info.reqFeatures!!.all { it.flags and FeatureInfo.FLAG_REQUIRED == 0 })
    }

    @Test
    fun aPickedPhotoIsClassifiedOffTheMainThread() {
        val activity = start().get()
        activity.findViewById<View>(R.id.pick).performClick()
        val asked = shadowOf(activity).nextStartedActivityForResult.intent
        assertEquals(MediaStore.ACTION_PICK_IMAGES, asked.action)
        deliver(activity, asked, Screen.offer("photo.jpg", photo.readBytes()))
        assertTrue("nothing is done before the worker answers", Screen.app.session.state.busy)
        Screen.awaitIdle()
        assertAnswer(activity)
    }

    @Test
    fun aSampleIsClassified() {
        val activity = start().get()
        Screen.children(activity.findViewById(R.id.samples)).first().performClick()
        Screen.awaitIdle()
        assertAnswer(activity)
    }

    @Test
    fun rotationKeepsTheResult() {
        val controller = start()
        Screen.app.session.openPhoto(Screen.offer("photo.jpg", photo.readBytes()))
        Screen.awaitIdle()
        val before = Screen.app.session.state.answer
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        Screen.awaitIdle()
        assertSame("not classified again", before, Screen.app.session.state.answer)
        assertAnswer(controller.get())
    }

    @Test
    fun aNewProcessShowsThePhotoOfTheLastOne() {
        Screen.app.session.photos.takeSample(Screen.app.session.photos.samples.first())
        val controller = Robolectric.buildActivity(MainActivity::class.java)
        controller.setup(Bundle())
        Screen.awaitIdle()
        assertAnswer(controller.get())
    }

    @Test
    fun aSharedPhotoIsClassified() {
        val uri = Screen.offer("shared.jpg", photo.readBytes())
        val intent = Intent(Intent.ACTION_SEND).setType("image/jpeg").putExtra(Intent.EXTRA_STREAM, uri)
        val controller = start(intent)
        assertAnswer(controller.get())
        Screen.app.session.openPhoto(Screen.offerMissing())
        Screen.awaitIdle()
        assertProblem(controller.get(), Problem.UNREADABLE)
        controller.newIntent(intent)
        Screen.awaitIdle()
        assertAnswer(controller.get())
    }

    @Test
    fun aShareWithoutAPictureOrWithAPathIsOneSentence() {
        val controller = start(Intent(Intent.ACTION_SEND).setType("image/jpeg"))
        assertProblem(controller.get(), Problem.UNREADABLE)
        Screen.app.session.openPhoto(Uri.fromFile(photo))
        Screen.awaitIdle()
        assertProblem(controller.get(), Problem.UNREADABLE)
    }

    @Test
    fun theCameraWritesAFullPhotoThroughTheAppsOwnProvider() {
        val activity = start().get()
        shadowOf(Screen.app).grantPermissions(Manifest.permission.CAMERA)
        activity.findViewById<View>(R.id.camera).performClick()
        Screen.awaitIdle()
        val asked = shadowOf(activity).nextStartedActivityForResult.intent
        assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, asked.action)
        @Suppress("DEPRECATION")
        val target = asked.getParcelableExtra<Uri>(MediaStore.EXTRA_OUTPUT)!!
        assertTrue(asked.flags and Intent.FLAG_GRANT_WRITE_URI_PERMISSION != 0)
        assertEquals(target, asked.clipData!!.getItemAt(0).uri)
        Screen.resolver.openOutputStream(target, "w")!!.use { it.write(photo.readBytes()) }
        deliver(activity, asked, null)
        Screen.awaitIdle()
        assertAnswer(activity)
    }

    @Test
    fun everyBadPictureIsOneSentenceAndTheNextPhotoWorks() {
        val activity = start().get()
        val names = Golden.vectors.getJSONArray("bad_photos")
        for (index in 0 until names.length()) {
            val name = names.getString(index)
            Screen.app.session.openPhoto(Screen.offer(name, Golden.photo(name).readBytes()))
            Screen.awaitIdle()
            val cut = "truncated" in name || "header" in name
            assertProblem(activity, if (cut) Problem.DAMAGED_PICTURE else Problem.NOT_A_PICTURE)
            assertNull(name, Screen.app.session.state.answer)
        }
        Screen.app.session.openPhoto(Screen.offer("photo.jpg", photo.readBytes()))
        Screen.awaitIdle()
        assertAnswer(activity)
    }

    @Test
    fun whateverIsThrownInTheBackgroundIsOneSentence() {
        val thrown = mapOf(
            OutOfMemoryError("as a huge picture would") to Problem.NO_MEMORY,
            java.io.IOException("disk") to Problem.UNREADABLE,
            IllegalStateException("of a device's decoder") to Problem.UNEXPECTED,
        )
        for ((error, problem) in thrown) {
            var reported: Problem? = null
            Worker { reported = it }.submit { throw error }
            Screen.await("the report") { reported != null }
            assertEquals(problem, reported)
        }
        for (problem in Problem.entries) assertTrue(Screen.app.getString(problem.text).trim().endsWith("."))
    }

    @Test
    fun everythingThatCanBeTouchedSpeaks() {
        val activity = start().get()
        Screen.app.session.openPhoto(Screen.offer("photo.jpg", photo.readBytes()))
        Screen.awaitIdle()
        val touchable = Screen.all(activity.findViewById(R.id.root)).filter { it.isClickable || it.isFocusable }
        assertTrue(touchable.size >= 8)
        for (view in touchable.filter { it.isShown && it !is android.widget.ScrollView && it !is Toolbar }) {
            val spoken = view.contentDescription ?: (view as? android.widget.TextView)?.text
            assertTrue("$view", !spoken.isNullOrBlank())
        }
    }

    @Test
    fun theAboutDialogGivesTheCreditsOfTheSamples() {
        val activity = start().get()
        assertTrue(activity.findViewById<Toolbar>(R.id.toolbar).menu.performIdentifierAction(R.id.about, 0))
        val dialog = org.robolectric.shadows.ShadowAlertDialog.getLatestAlertDialog()
        val message = Screen.text(dialog.findViewById(android.R.id.message))
        assertTrue(message.contains(Golden.samples.resolve("CREDITS.md").readText().trim().lines().first()))
    }

    private fun start(intent: Intent = Intent(Intent.ACTION_MAIN)): ActivityController<MainActivity> {
        val controller = Robolectric.buildActivity(MainActivity::class.java, intent).setup()
        Screen.awaitIdle()
        return controller
    }

    private fun deliver(activity: Activity, asked: Intent, answer: Uri?) =
        shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, Intent().setData(answer))

    private fun assertAnswer(activity: Activity) {
        val answer = Screen.app.session.state.answer
        assertNotNull(Screen.app.session.state.problem?.name, answer)
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.result).visibility)
        val expected = if (answer!!.unsure) activity.getString(R.string.unsure) else answer.guesses.first().label
        assertEquals(expected, Screen.text(activity.findViewById(R.id.headline)))
        val rows = Screen.children(activity.findViewById(R.id.guesses))
        assertEquals(answer.guesses.map { it.label }, rows.map { Screen.text(it.findViewById(R.id.label)) })
        assertTrue(rows.size == minOf(5, ModelFiles.labels.size))
        assertTrue(Screen.text(activity.findViewById(R.id.times)).startsWith("Inference"))
        assertTrue(answer.preprocessMs > 0 && answer.inferenceMs > 0)
    }

    private fun assertProblem(activity: Activity, problem: Problem) {
        assertEquals(activity.getString(problem.text), Screen.text(activity.findViewById(R.id.problem)))
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.problem).visibility)
    }
}
