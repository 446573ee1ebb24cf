package dev.mobilevit.demo

import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.MediaStore
import android.view.MenuItem
import android.view.View
import android.widget.Toolbar
import dev.mobilevit.demo.core.Problem

/** The screen that takes a photo from anywhere and shows what the model makes of it. */
class MainActivity : Activity() {
    private val session get() = (application as DemoApp).session
    private val onSession: (ScreenState) -> Unit = { views.show(it) }
    private lateinit var views: MainViews

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        Insets.pad(findViewById(R.id.root))
        views = MainViews(this, session::openSample)
        findViewById<View>(R.id.pick).setOnClickListener { ask(pickIntent(), PICK_PHOTO) }
        findViewById<View>(R.id.camera).setOnClickListener { takePhoto() }
        findViewById<View>(R.id.live).apply {
            visible(Cameras.of(this@MainActivity).isNotEmpty())
            setOnClickListener { startActivity(Intent(this@MainActivity, LiveActivity::class.java)) }
        }
        findViewById<View>(R.id.share).setOnClickListener { share() }
        findViewById<Toolbar>(R.id.toolbar).apply {
            inflateMenu(R.menu.main)
            setOnMenuItemClickListener(::onMenu)
        }
        if (savedInstanceState != null) session.restorePhoto() else if (!isFromHistory(intent)) takeShared(intent)
    }

    override fun onStart() {
        super.onStart()
        session.observed.add(onSession)
    }

    override fun onStop() {
        session.observed.remove(onSession)
        super.onStop()
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        takeShared(intent)
    }

    @Deprecated("The framework has no other way for an Activity without AndroidX.")
    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        if (resultCode != RESULT_OK) return
        val uri = data?.data
        when (requestCode) {
            TAKE_PHOTO -> session.openCameraPhoto()
            PICK_PHOTO -> if (uri != null) session.openPhoto(uri)
            OPEN_MODEL -> if (uri != null) session.openModel(uri)
        }
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        when {
            grantResults.isEmpty() -> Unit // the question was interrupted, not answered
            CameraPermission.isGranted(this) -> takePhoto()
            CameraPermission.isRefusedForGood(this) -> showWayToSettings()
            else -> session.show(Problem.CAMERA_REFUSED)
        }
    }

    private fun onMenu(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.open_model -> ask(documentIntent(), OPEN_MODEL)
            R.id.bundled_model -> session.useBundledModel()
            R.id.settings -> startActivity(Intent(this, SettingsActivity::class.java))
            R.id.benchmark -> startActivity(Intent(this, BenchmarkActivity::class.java))
            R.id.about -> showAbout()
            else -> return false
        }
        return true
    }

    /** From the list of recent apps Android sends the first intent once more, long after the sender has gone. */
    private fun isFromHistory(intent: Intent) = intent.flags and Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY != 0

    /** An app that declares the camera's permission may ask a camera app for a photo only once it has it. */
    private fun takePhoto() {
        if (!CameraPermission.isGranted(this)) return CameraPermission.ask(this, ASK_CAMERA)
        session.beforeCamera { if (!isDestroyed) ask(CameraProvider.intent(this), TAKE_PHOTO) }
    }

    private fun share() {
        val (photo, answer) = (session.state.photo ?: return) to (session.state.answer ?: return)
        session.share(photo, answer) { if (!isDestroyed) startActivity(it) }
    }

    private fun takeShared(intent: Intent) {
        if (intent.action != Intent.ACTION_SEND) return
        val uri = try {
            @Suppress("DEPRECATION") // the typed form is newer than minSdk
            intent.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)
        } catch (_: RuntimeException) { // another app's parcel can hold anything
            null
        }
        if (uri != null) session.openPhoto(uri) else session.show(Problem.UNREADABLE)
    }

    private fun ask(intent: Intent, request: Int) {
        try {
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            session.show(Problem.NO_APP)
        } catch (_: SecurityException) { // a camera app that the user has forbidden the camera
            session.show(Problem.NO_APP)
        }
    }

    private fun pickIntent(): Intent {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            return Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*")
        }
        return Intent(Intent.ACTION_GET_CONTENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
    }

    private fun documentIntent() =
        Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")

    private fun showAbout() {
        val state = session.state
        val model = getString(R.string.about_model, state.modelName.orEmpty(), state.license.orEmpty())
        AlertDialog.Builder(this)
            .setTitle(R.string.about)
            .setMessage(listOf(model, getString(R.string.about_runtime), state.credits).joinToString("\n\n"))
            .setPositiveButton(android.R.string.ok, null)
            .show()
    }

    private fun showWayToSettings() {
        AlertDialog.Builder(this)
            .setMessage(R.string.problem_camera_refused)
            .setPositiveButton(R.string.open_settings) { _, _ -> startActivity(CameraPermission.settings(this)) }
            .setNegativeButton(android.R.string.cancel, null)
            .show()
    }

    companion object {
        const val PICK_PHOTO = 1
        const val TAKE_PHOTO = 2
        const val OPEN_MODEL = 3
        const val ASK_CAMERA = 4
    }
}
