package dev.mobilevit.demo

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.Toolbar
import dev.mobilevit.demo.core.Problem
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

@RunWith(DemoRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class OpenModelTest {
    private lateinit var activity: MainActivity
    private lateinit var bundledName: String

    @Before
    fun showASample() {
        activity = Robolectric.buildActivity(MainActivity::class.java).setup().get()
        Screen.awaitIdle()
        bundledName = Screen.app.session.state.modelName!!
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
    }

    @Test
    fun anotherModelIsTakenFromTheDocumentPickerAndClassifiesTheSamePhoto() {
        assertTrue(activity.findViewById<Toolbar>(R.id.toolbar).menu.performIdentifierAction(R.id.open_model, 0))
        val asked = shadowOf(activity).nextStartedActivityForResult.intent
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.action)
        val labels = List(ModelFiles.labels.size) { "class $it" }
        val other = ModelFiles.withParts(
            ModelFiles.parts + ("labels.txt" to labels.joinToString("\n", postfix = "\n").toByteArray()),
        )
        val chosen = Intent().setData(Screen.offer("other.tflite", other))
        shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, chosen)
        Screen.awaitIdle()
        assertTrue(Screen.app.session.state.answer!!.guesses.all { it.label in labels })
    }

    @Test
    fun theOpenedModelIsKeptAndTheBundledOneComesBackOnRequest() {
        open(ModelFiles.withJson("model_info.json", "name" to "Opened"))
        assertEquals("Opened", Screen.app.session.state.modelName)
        val next = Session(Screen.app) // as a new process would make
        Screen.await("the model of the next process") { next.state.modelName != null }
        assertEquals("Opened", next.state.modelName)
        Screen.app.session.useBundledModel()
        Screen.awaitIdle()
        assertEquals(bundledName, Screen.app.session.state.modelName)
        assertFalse(Screen.app.session.models.hasOpened)
    }

    @Test
    fun theUnsureThresholdIsTheModelsOwn() {
        open(ModelFiles.withJson("model_info.json", "unsure_below" to 1.01))
        assertEquals(activity.getString(R.string.unsure), Screen.text(activity.findViewById(R.id.headline)))
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.detail).visibility)
        open(ModelFiles.withJson("model_info.json", "unsure_below" to 0.0))
        val best = Screen.app.session.state.answer!!.guesses.first().label
        assertEquals(best, Screen.text(activity.findViewById(R.id.headline)))
    }

    @Test
    fun aThresholdThatStrangersFittedSaysNoneOfThese() {
        open(ModelFiles.withJson("model_info.json", "unsure_below" to 1.01, "none_of_these" to true))
        assertEquals(activity.getString(R.string.none_of_these), Screen.text(activity.findViewById(R.id.headline)))
        open(ModelFiles.withJson("model_info.json", "unsure_below" to 0.0, "none_of_these" to true))
        val best = Screen.app.session.state.answer!!.guesses.first().label
        assertEquals(best, Screen.text(activity.findViewById(R.id.headline)))
    }

    @Test
    fun everyBadModelIsOneSentenceAndTheOldOneStays() {
        val flatbuffer = ModelFiles.shipped
        val bad = mapOf(
            Problem.NOT_A_MODEL to Golden.photo("grey.jpg").readBytes(),
            Problem.NO_METADATA to flatbuffer.copyOf(flatbuffer.size / 2),
            Problem.NEWER_MODEL to ModelFiles.withJson("image_spec.json", "schema_version" to 2),
            Problem.BAD_METADATA to ModelFiles.withJson("image_spec.json", "resize" to "lanczos"),
            Problem.MODEL_MISMATCH to ModelFiles.withParts(ModelFiles.parts + ("labels.txt" to "a\nb\n".toByteArray())),
            Problem.DAMAGED_MODEL to flatbuffer.copyOf(5000) + ModelFiles.archive,
        )
        for ((problem, bytes) in bad) {
            open(bytes)
            assertEquals(activity.getString(problem.text), Screen.text(activity.findViewById(R.id.problem)))
            assertEquals(bundledName, Screen.app.session.state.modelName)
            assertNotNull("the old answer stays", Screen.app.session.state.answer)
        }
        Screen.app.session.openSample(Screen.app.session.photos.samples.first())
        Screen.awaitIdle()
        assertEquals(View.GONE, activity.findViewById<View>(R.id.problem).visibility)
        assertNotNull(Screen.app.session.state.answer)
    }

    @Test
    fun anOpenedModelThatHasGoneBadGivesWayToTheBundledOne() {
        Screen.app.filesDir.resolve("model.tflite").writeBytes(ByteArray(100))
        val next = Session(Screen.app)
        Screen.await("the fallback") { next.state.modelName != null && next.state.problem != null }
        assertEquals(bundledName, next.state.modelName)
        assertEquals(Problem.NOT_A_MODEL, next.state.problem)
    }

    @Test
    fun theProbeRunsInAProcessOfItsOwnAndAnswersWithTheProblem() {
        val provider = Screen.app.packageManager.resolveContentProvider("${Screen.app.packageName}.probe", 0)!!
        assertEquals("${Screen.app.packageName}:probe", provider.processName)
        assertFalse(provider.exported)
        val file = Screen.app.filesDir.resolve("candidate.tflite")
        file.writeBytes(ModelFiles.shipped)
        ProbeProvider.probe(Screen.app, file)
        val answer = Robolectric.setupContentProvider(ProbeProvider::class.java).call("probe", "/nowhere", Bundle())
        assertEquals(Problem.UNREADABLE.name, answer.getString("problem"))
    }

    private fun open(bytes: ByteArray) {
        Screen.app.session.openModel(Screen.offer("model.tflite", bytes))
        Screen.awaitIdle()
    }
}
