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
    private lateinit var views: MainViews

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        Insets.pad(findViewById(R.id.root))
        views = MainViews(this, session::openSample)
        findViewById<View>(R.id.pick).setOnClickListener { ask(pickIntent(), PICK_PHOTO) }
        findViewById<View>(R.id.camera).setOnClickListener { ask(CameraProvider.intent(this), TAKE_PHOTO) }
        findViewById<Toolbar>(R.id.toolbar).apply {
            inflateMenu(R.menu.main)
            setOnMenuItemClickListener(::onMenu)
        }
        if (savedInstanceState == null) takeShared(intent) else session.restorePhoto()
    }

    override fun onStart() {
        super.onStart()
        session.listener = views::show
        views.show(session.state)
    }

    override fun onStop() {
        session.listener = null
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

    private fun onMenu(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.open_model -> ask(documentIntent(), OPEN_MODEL)
            R.id.bundled_model -> session.useBundledModel()
            R.id.benchmark -> startActivity(Intent(this, BenchmarkActivity::class.java))
            R.id.about -> showAbout()
            else -> return false
        }
        return true
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
            .setMessage(listOf(model, getString(R.string.about_runtime), session.photos.credits()).joinToString("\n\n"))
            .setPositiveButton(android.R.string.ok, null)
            .show()
    }

    companion object {
        const val PICK_PHOTO = 1
        const val TAKE_PHOTO = 2
        const val OPEN_MODEL = 3
    }
}
