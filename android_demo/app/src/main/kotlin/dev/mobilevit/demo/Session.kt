package dev.mobilevit.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import dev.mobilevit.demo.core.Answer
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.Problem
import java.io.File

/** What the main screen shows. */
data class ScreenState(
    val modelName: String? = null,
    val license: String? = null,
    val photo: Bitmap? = null,
    val answer: Answer? = null,
    val problem: Problem? = null,
    val samples: Map<String, Bitmap> = emptyMap(),
    val busy: Boolean = false,
)

/** The work behind the screens: one job after the other on a thread of its own; [state] changes on the main thread. */
class Session(private val context: Context) {
    val photos = PhotoStore(context)
    val models = ModelStore(context)
    val benchmark = BenchmarkRun(models)
    private val worker = Worker(::jobEnded)

    /** Called on the main thread with each new [state]; the visible screen sets it. */
    var listener: ((ScreenState) -> Unit)? = null
    var state = ScreenState()
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private var photoAsked = false
    private var classifier: Classifier? = null // this and the next are used on the worker's thread alone
    private var hasPhoto = false

    init {
        run {
            try {
                use(Classifier(models.map()))
            } catch (error: DemoException) { // the opened model has gone bad: back to the bundled one, and say so
                if (!models.hasOpened) throw error
                models.forget()
                use(Classifier(models.map()))
                throw error
            }
        }
        run {
            val thumbnails = photos.samples.associateWith(::thumbnail)
            worker.onMain { state = state.copy(samples = thumbnails) }
        }
    }

    fun openPhoto(uri: Uri) = photoJob { photos.take(uri) }

    fun openSample(name: String) = photoJob { photos.takeSample(name) }

    /** The photo that the camera app has written; a camera that wrote nothing was cancelled. */
    fun openCameraPhoto() = photoJob {
        val taken = CameraProvider.file(context)
        if (taken.length() == 0L || !taken.renameTo(photos.current)) throw DemoException(Problem.UNREADABLE)
    }

    /** For a screen that comes back in a new process: shows the photo of the last one, unless another is coming. */
    fun restorePhoto() {
        if (!photoAsked && photos.current.exists()) photoJob {}
    }

    /** Opens another model; where that fails the old one and its answer stay. */
    fun openModel(uri: Uri) = run { switchTo(models.install(uri)) }

    fun useBundledModel() = run {
        models.forget()
        switchTo(Classifier(models.map()))
    }

    /** Puts a sentence on the screen for what the screen itself found. */
    fun show(problem: Problem) {
        state = state.copy(problem = problem)
    }

    private fun photoJob(bring: () -> Unit) {
        photoAsked = true
        run {
            worker.onMain { state = state.copy(photo = null, answer = null) }
            hasPhoto = false
            bring()
            hasPhoto = true
            classifyCurrent()
        }
    }

    private fun switchTo(model: Classifier) {
        use(model)
        if (hasPhoto) classifyCurrent()
    }

    private fun use(model: Classifier) {
        model.warmUp()
        classifier?.close()
        classifier = model
        worker.onMain {
            state = state.copy(modelName = model.metadata.name, license = model.metadata.license)
        }
    }

    private fun classifyCurrent() {
        val model = classifier ?: throw DemoException(Problem.NO_MODEL)
        val start = System.nanoTime()
        val photo = PhotoDecoder.decode(photos.current)
        val input = model.metadata.spec.modelInput(photo)
        val preprocessMs = (System.nanoTime() - start) / 1e6
        val answer = Answer.of(model.metadata, model.run(input), preprocessMs)
        val preview = PhotoDecoder.preview(photo, PREVIEW_SIDE)
        worker.onMain { state = state.copy(photo = preview, answer = answer, problem = null) }
    }

    private fun thumbnail(name: String): Bitmap {
        val file = File(context.cacheDir, "sample")
        photos.openSample(name).use { input -> file.outputStream().use(input::copyTo) }
        return PhotoDecoder.preview(PhotoDecoder.decode(file), THUMBNAIL_SIDE)
    }

    /** Queues [job]; the screen is busy until it has run. */
    private fun run(job: () -> Unit) {
        worker.onMain { state = state.copy(busy = true, problem = null) }
        worker.submit(job)
    }

    private fun jobEnded(problem: Problem?) {
        state = state.copy(busy = worker.isBusy, problem = problem ?: state.problem)
    }

    private companion object {
        const val PREVIEW_SIDE = 1280
        const val THUMBNAIL_SIDE = 320
    }
}
