package dev.mobilevit.demo

import android.content.Context
import android.graphics.Bitmap
import android.os.Handler
import android.os.HandlerThread
import android.os.Looper
import android.util.Log
import android.view.Surface
import dev.mobilevit.demo.core.Answer
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.FrameReader
import dev.mobilevit.demo.core.LiveAnswer
import dev.mobilevit.demo.core.LiveScores
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.Settings
import dev.mobilevit.demo.core.YuvFrame
import java.io.IOException

/** A frame that was held, with the answer for it alone. */
class Frozen(val picture: Bitmap, val answer: Answer)

/** What the live screen shows; [live] comes with each frame. */
data class LiveState(val live: LiveAnswer? = null, val frozen: Frozen? = null, val problem: Problem? = null)

/** Classifies a camera's frames on a thread of its own, with a model of its own; [state] is the main thread's. */
class LiveRun(context: Context, private val models: ModelStore, private val settings: Settings) {
    val observed = Observed(LiveState())
    val state get() = observed.value

    private val main = Handler(Looper.getMainLooper())
    private val thread = HandlerThread("frames").apply { start() }
    private val frames = Handler(thread.looper)
    private val camera = CameraSource(context, frames, { frame -> guarded { onFrame(frame) } }, ::stopWith)
    private var classifier: Classifier? = null // all from here on is used on the frames' thread alone
    private var reader: FrameReader? = null
    private var scores: LiveScores? = null
    private var freeze = false
    private var computing = false // the model store has been told so

    /** How frames are turned upright, EXIF's 1 to 8; changes with the display. */
    @Volatile var orientation = 1

    /** Opens [source] with [preview] on the screen; a camera that was open is closed first. */
    fun start(source: LiveCamera, preview: Surface) = post {
        scores = null
        freeze = false
        camera.open(source, preview)
    }

    fun stop() = post(::rest)

    fun torch(on: Boolean) = post { camera.torch(on) }

    /** Holds the next frame. */
    fun freeze() = post { freeze = true }

    /** For good: the camera, the model, the thread. */
    fun close() {
        frames.post {
            rest()
            classifier?.close()
            thread.quitSafely()
        }
    }

    /** A frame, from the camera or a test's source; for the frames' thread. */
    fun onFrame(frame: YuvFrame) {
        val model = model()
        val start = System.nanoTime()
        val input = checkNotNull(reader).modelInput(frame, orientation)
        val preprocessMs = (System.nanoTime() - start) / 1e6
        if (!computing) models.begin()
        computing = true
        val result = model.run(input)
        if (freeze) {
            freeze = false
            rest()
            val limits = settings.limits(model.metadata)
            val answer = Answer.of(model.metadata.labels, result, limits, preprocessMs)
            val held = Frozen(PhotoDecoder.preview(frame.upright(orientation), FROZEN_SIDE), answer)
            return show { it.copy(frozen = held) }
        }
        val smoothed = scores ?: LiveScores(model.metadata.labels, settings.limits(model.metadata)).also { scores = it }
        val live = smoothed.add(result, preprocessMs, System.nanoTime())
        show { it.copy(live = live, frozen = null, problem = null) }
    }

    /** Runs [action] on the frames' thread; what goes wrong there becomes the screen's problem. */
    fun post(action: () -> Unit) {
        frames.post { guarded(action) }
    }

    private fun model(): Classifier = classifier ?: Classifier(models.map(), settings.threads).also {
        classifier = it
        reader = FrameReader(it.metadata.spec)
    }

    private fun rest() {
        camera.close()
        if (computing) models.end()
        computing = false
    }

    private fun stopWith(problem: Problem) {
        rest()
        show { it.copy(problem = problem) }
    }

    private fun guarded(action: () -> Unit) {
        try {
            action()
        } catch (error: DemoException) {
            Log.w(TAG, error)
            stopWith(error.problem)
        } catch (error: IOException) {
            Log.w(TAG, error)
            stopWith(Problem.UNREADABLE)
        } catch (error: OutOfMemoryError) {
            Log.w(TAG, error)
            stopWith(Problem.NO_MEMORY)
        }
    }

    private fun show(change: (LiveState) -> LiveState) {
        main.post { observed.value = change(observed.value) }
    }

    private companion object {
        const val TAG = "MobileViT"
        const val FROZEN_SIDE = 1280
    }
}
