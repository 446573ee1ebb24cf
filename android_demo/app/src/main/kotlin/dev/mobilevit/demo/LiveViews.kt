package dev.mobilevit.demo

import android.app.Activity
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.util.Size
import android.view.Surface
import android.view.TextureView
import android.view.View
import android.widget.Button
import android.widget.ImageView
import android.widget.TextView
import android.widget.Toolbar
import dev.mobilevit.demo.core.Answer
import dev.mobilevit.demo.core.Settings
import dev.mobilevit.demo.core.Turn

/** The live screen's views. [onSurface] hears when the preview can be drawn. */
class LiveViews(
    private val activity: Activity,
    private val settings: Settings,
    private val onSurface: () -> Unit,
) : TextureView.SurfaceTextureListener {
    private val session = (activity.application as DemoApp).session
    private val preview: TextureView = activity.findViewById(R.id.preview)
    private val held: ImageView = activity.findViewById(R.id.held)
    private val seen: SeenFrame = activity.findViewById(R.id.seen)
    private val aspect: AspectLayout = activity.findViewById(R.id.aspect)
    private val headline: TextView = activity.findViewById(R.id.headline)
    private val times: TextView = activity.findViewById(R.id.times)
    private val guesses = Guesses(activity.findViewById(R.id.guesses))
    private val problem: TextView = activity.findViewById(R.id.problem)
    private val shutter: Button = activity.findViewById(R.id.shutter)
    private var surface: Surface? = null
    private var matrix: () -> Matrix = ::Matrix

    init {
        preview.surfaceTextureListener = this
        activity.findViewById<Toolbar>(R.id.toolbar).subtitle = session.state.modelName
        seen.visible(settings.liveFrame)
        times.visible(settings.liveTimes)
    }

    fun show(state: LiveState) {
        problem.visible(state.problem != null)
        state.problem?.let { problem.setText(it.text) }
        held.visible(state.frozen != null)
        held.setImageBitmap(state.frozen?.picture)
        shutter.setText(if (state.frozen == null) R.string.hold else R.string.go_on)
        activity.findViewById<View>(R.id.share).visible(state.frozen != null)
        val answer = state.frozen?.answer ?: state.live?.answer ?: return
        showAnswer(answer, state.live?.framesPerSecond?.takeIf { state.frozen == null })
    }

    /** What there is to switch. */
    fun buttons(flip: Boolean, torch: Boolean) {
        activity.findViewById<View>(R.id.flip).visible(flip)
        activity.findViewById<View>(R.id.torch).visible(torch)
    }

    /** Without the permission: why it is needed, and the way to give it. */
    fun permission(granted: Boolean, refusedForGood: Boolean) {
        activity.findViewById<View>(R.id.permission).visible(!granted)
        aspect.visible(granted)
        shutter.isEnabled = granted
        val way = if (refusedForGood) R.string.open_settings else R.string.allow
        activity.findViewById<Button>(R.id.allow).setText(way)
    }

    /** Where the camera draws, once there is one. */
    fun surface(size: Size): Surface? {
        val texture = preview.surfaceTexture ?: return null
        texture.setDefaultBufferSize(size.width, size.height)
        return surface ?: Surface(texture).also { surface = it }
    }

    /** Turns the preview for a display of [rotation] quarter turns; the orientation that makes frames upright. */
    fun turn(camera: LiveCamera, rotation: Int): Int {
        val orientation = Turn.ofCamera(camera.sensor, rotation, camera.front)
        val upright = Turn.of(camera.size.width, camera.size.height, orientation)
        aspect.aspect = upright.width.toFloat() / upright.height
        val box = session.state.spec?.cropBox(upright.height, upright.width)
        seen.seen = box?.let { PhotoDecoder.shares(it, upright.width, upright.height) }
        matrix = { turned(rotation, preview.width.toFloat(), preview.height.toFloat()) }
        preview.setTransform(matrix())
        return orientation
    }

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) {
        preview.setTransform(matrix())
        onSurface()
    }

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int) {
        preview.setTransform(matrix())
    }

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        surface?.release()
        surface = null
        return true
    }

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture) = Unit

    private fun showAnswer(answer: Answer, framesPerSecond: Double?) {
        headline.text = if (answer.unsure) activity.getString(rejected(answer)) else answer.guesses.first().label
        guesses.show(answer)
        times.text = activity.getString(R.string.times, answer.inferenceMs, answer.preprocessMs)
        if (framesPerSecond != null) times.append(activity.getString(R.string.frames_per_second, framesPerSecond))
    }

    companion object {
        private const val QUARTER = 90f

        /**
         * A TextureView stretches the picture, upright for the device's natural orientation, over itself: this turns it
         * for a display of [rotation] quarter turns and takes the stretching back.
         */
        fun turned(rotation: Int, width: Float, height: Float) = Matrix().apply {
            postRotate(-QUARTER * rotation, width / 2, height / 2)
            if (rotation % 2 == 1 && width > 0 && height > 0) {
                postScale(width / height, height / width, width / 2, height / 2)
            }
        }
    }
}

fun View.visible(shown: Boolean) {
    visibility = if (shown) View.VISIBLE else View.GONE
}
