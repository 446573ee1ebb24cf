package dev.mobilevit.demo

import android.app.Activity
import android.hardware.display.DisplayManager
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.view.View
import android.widget.Toolbar
import dev.mobilevit.demo.core.Problem

/** The camera's picture and what the model makes of it, frame after frame; the shutter holds one and can share it. */
class LiveActivity : Activity(), DisplayManager.DisplayListener {
    private val session get() = (application as DemoApp).session
    private val cameras by lazy { Cameras.of(this) }
    private val displays get() = getSystemService(DisplayManager::class.java)
    private val onLive: (LiveState) -> Unit = { views.show(it) }
    private lateinit var views: LiveViews
    private lateinit var run: LiveRun
    private var chosen = 0
    private var torch = false
    private var wasAsked = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_live)
        Insets.pad(findViewById(R.id.root))
        chosen = savedInstanceState?.getInt(CHOSEN) ?: 0
        run = LiveRun(applicationContext, session.models, session.state.settings)
        (lastNonConfigurationInstance as? Frozen)?.let { run.observed.value = LiveState(frozen = it) }
        views = LiveViews(this, session.state.settings, ::start)
        findViewById<Toolbar>(R.id.toolbar).setNavigationOnClickListener { finish() }
        findViewById<View>(R.id.flip).setOnClickListener { flip() }
        findViewById<View>(R.id.torch).setOnClickListener { switchTorch() }
        findViewById<View>(R.id.shutter).setOnClickListener { if (run.state.frozen == null) run.freeze() else resume() }
        findViewById<View>(R.id.share).setOnClickListener { share() }
        findViewById<View>(R.id.allow).setOnClickListener { allow() }
    }

    override fun onStart() {
        super.onStart()
        run.observed.add(onLive)
        displays.registerDisplayListener(this, Handler(Looper.getMainLooper()))
        start()
    }

    override fun onStop() {
        displays.unregisterDisplayListener(this)
        run.observed.remove(onLive)
        run.stop()
        super.onStop()
    }

    override fun onDestroy() {
        run.close()
        super.onDestroy()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putInt(CHOSEN, chosen)
    }

    @Deprecated("The framework has no other way for an Activity without AndroidX.")
    override fun onRetainNonConfigurationInstance(): Any? = run.state.frozen

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        wasAsked = grantResults.isNotEmpty() // empty where the question was interrupted
        start()
    }

    override fun onDisplayAdded(displayId: Int) = Unit

    override fun onDisplayRemoved(displayId: Int) = Unit

    /** A half turn of the device makes no new screen. */
    override fun onDisplayChanged(displayId: Int) = turn()

    /** Opens the camera where everything that it needs is there; otherwise says what is not. */
    private fun start() {
        val camera = cameras.getOrNull(chosen % maxOf(1, cameras.size))
        if (camera == null) return views.show(LiveState(problem = Problem.CAMERA_FAILED))
        views.buttons(cameras.size > 1, camera.hasTorch)
        val granted = CameraPermission.isGranted(this)
        views.permission(granted, wasAsked && CameraPermission.isRefusedForGood(this))
        turn()
        val preview = views.surface(camera.size)
        if (granted && preview != null && run.state.frozen == null) run.start(camera, preview)
    }

    private fun turn() {
        val camera = cameras.getOrNull(chosen % maxOf(1, cameras.size)) ?: return
        @Suppress("DEPRECATION") // its successor is newer than minSdk
        run.orientation = views.turn(camera, windowManager.defaultDisplay.rotation)
    }

    private fun flip() {
        chosen = (chosen + 1) % cameras.size
        torch = false
        resume()
    }

    private fun switchTorch() {
        torch = !torch
        run.torch(torch)
    }

    private fun resume() {
        run.observed.value = LiveState()
        start()
    }

    private fun share() {
        val frozen = run.state.frozen ?: return
        session.share(frozen.picture, frozen.answer) { if (!isDestroyed) startActivity(it) }
    }

    private fun allow() {
        val forGood = wasAsked && CameraPermission.isRefusedForGood(this)
        if (forGood) startActivity(CameraPermission.settings(this)) else CameraPermission.ask(this, ASK)
    }

    private companion object {
        const val CHOSEN = "chosen"
        const val ASK = 1
    }
}
