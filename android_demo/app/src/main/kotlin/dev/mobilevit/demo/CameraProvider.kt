package dev.mobilevit.demo

import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.provider.MediaStore

/** The one file that the system's camera app may write: it gets the photo at full resolution through EXTRA_OUTPUT. */
class CameraProvider : OneFileProvider(TAKEN) {
    companion object {
        val TAKEN = Exchange("camera", "camera.jpg", isWritable = true)

        /** Asks the camera app for a photo. */
        fun intent(context: Context): Intent {
            val target = TAKEN.uri(context)
            return Intent(MediaStore.ACTION_IMAGE_CAPTURE)
                .putExtra(MediaStore.EXTRA_OUTPUT, target)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION or Intent.FLAG_GRANT_WRITE_URI_PERMISSION)
                .apply { clipData = ClipData.newRawUri("", target) }
        }
    }
}
