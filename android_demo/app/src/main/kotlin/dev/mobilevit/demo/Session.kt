package dev.mobilevit.demo

import android.content.Context
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.RectF
import android.net.Uri
import dev.mobilevit.demo.core.Answer
import dev.mobilevit.demo.core.Classifier
import dev.mobilevit.demo.core.DemoException
import dev.mobilevit.demo.core.ImageSpec
import dev.mobilevit.demo.core.Problem
import dev.mobilevit.demo.core.Scores
import dev.mobilevit.demo.core.Settings

/**
 * What the main screen shows.
 *
 * @property spec what the model in use takes.
 * @property seen the part of [photo] that the model got, in shares of its sides.
 */
data class ScreenState(
    val modelName: String? = null,
    val license: String? = null,
    val spec: ImageSpec? = null,
    val credits: String = "",
    val settings: Settings = Settings(),
    val photo: Bitmap? = null,
    val seen: RectF? = null,
    val answer: Answer? = null,
    val problem: Problem? = null,
    val samples: Map<String, Bitmap> = emptyMap(),
    val busy: Boolean = false,
)

/** The work behind the screens: one job after the other on a thread of its own; [state] changes on the main thread. */
class Session(private val context: Context, private val quietMs: Long = Patience.QUIET_MS) {
    val photos = PhotoStore(context)
    val models = ModelStore(context)
    val benchmark = BenchmarkRun(models)
    val observed = Observed(ScreenState())
    var state by observed::value
        private set

    private val worker = Worker(::jobEnded)
    private val store = SettingsStore(context)
    private var photoAsked = false

    @Volatile private var waiting: Patience? = null
    private var classifier: Classifier? = null // this and the next are used on the worker's thread alone
    private var settings = Settings()
    private var last: Pair<Scores, Double>? = null // of the photo on the screen, with the preprocessing's milliseconds

    init {
        run { apply(store.read()) }
        run(::loadModel)
        run {
            val thumbnails = photos.samples.associateWith { photos.thumbnail(it) }
            val credits = photos.credits()
            worker.onMain { state = state.copy(samples = thumbnails, credits = credits) }
        }
    }

    fun openPhoto(uri: Uri) = photoJob { waited { photos.take(uri, it) } }

    fun openSample(name: String) = photoJob { photos.takeSample(name) }

    /** Removes what a camera app wrote before, then calls [ask] on the main thread. */
    fun beforeCamera(ask: () -> Unit) = run {
        CameraProvider.TAKEN.file(context).delete()
        worker.onMain(ask)
    }

    /** The photo that the camera app has written; a camera that wrote nothing was cancelled. */
    fun openCameraPhoto() = photoJob {
        val taken = CameraProvider.TAKEN.file(context)
        if (taken.length() == 0L || !taken.renameTo(photos.current)) throw DemoException(Problem.UNREADABLE)
    }

    /** For a screen that comes back in a new process: shows the photo of the last one, unless another is coming. */
    fun restorePhoto() {
        if (!photoAsked) run { if (photos.current.exists() && last == null) classifyCurrent() }
    }

    /** Opens another model; where that fails the old one and its answer stay. */
    fun openModel(uri: Uri) = run { switchTo(waited { models.install(uri, settings.threads, it) }) }

    fun useBundledModel() = run {
        models.forget()
        switchTo(load())
    }

    /** Keeps what [change] makes of the settings over restarts, and answers again with them. */
    fun change(change: (Settings) -> Settings) = run {
        val changed = change(settings)
        val reload = changed.threads != settings.threads
        store.write(changed)
        apply(changed)
        if (reload) use(load())
        answerAgain()
    }

    /** Calls [ready] with what shares the answer [shown] for [picture]. */
    fun share(picture: Bitmap, shown: Answer, ready: (Intent) -> Unit) = run {
        val intent = ShareProvider.intent(context, picture, shown, classifier?.metadata?.name.orEmpty())
        worker.onMain { ready(intent) }
    }

    /** Puts a sentence on the screen for what the screen itself found. */
    fun show(problem: Problem) {
        state = state.copy(problem = problem)
    }

    private fun loadModel() {
        try {
            models.checkLastRun()
            use(load())
        } catch (error: DemoException) { // the opened model has gone bad: back to the bundled one, and say so
            if (!models.hasOpened) throw error
            models.forget()
            use(load())
            throw error
        }
    }

    private fun load() = models.watched { Classifier(models.map(), settings.threads).also { it.warmUp() } }

    private fun apply(changed: Settings) {
        settings = changed
        worker.onMain { state = state.copy(settings = changed) }
    }

    private fun photoJob(bring: () -> Unit) {
        photoAsked = true
        waiting?.cancel() // who asks for another photo no longer waits for this one
        run {
            worker.onMain { state = state.copy(photo = null, seen = null, answer = null) }
            last = null
            bring()
            classifyCurrent()
        }
    }

    private fun <T> waited(work: (Patience) -> T): T {
        val patience = Patience(quietMs)
        waiting = patience
        try {
            return work(patience)
        } finally {
            waiting = null
        }
    }

    private fun switchTo(model: Classifier) {
        use(model)
        if (last != null) classifyCurrent()
    }

    private fun use(model: Classifier) {
        classifier?.close()
        classifier = model
        worker.onMain {
            val described = model.metadata
            state = state.copy(modelName = described.name, license = described.license, spec = described.spec)
        }
    }

    private fun classifyCurrent() {
        val model = classifier ?: throw DemoException(Problem.NO_MODEL)
        val start = System.nanoTime()
        val photo = PhotoDecoder.decode(photos.current)
        val input = model.metadata.spec.modelInput(photo)
        val preprocessMs = (System.nanoTime() - start) / 1e6
        last = models.watched { model.run(input) } to preprocessMs
        val box = model.metadata.spec.cropBox(photo.height, photo.width)
        val seen = PhotoDecoder.shares(box, photo.width, photo.height)
        val preview = PhotoDecoder.preview(photo, PREVIEW_SIDE)
        worker.onMain { state = state.copy(photo = preview, seen = seen) }
        answerAgain()
    }

    private fun answerAgain() {
        val metadata = classifier?.metadata ?: return
        val (scores, preprocessMs) = last ?: return
        val answer = Answer.of(metadata.labels, scores, settings.limits(metadata), preprocessMs)
        worker.onMain { state = state.copy(answer = answer, problem = null) }
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
    }
}
