package dev.mobilevit.demo

import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.MediaStore
import java.io.File
import java.io.FileNotFoundException

/**
 * The one file that the system's camera app may write: it gets the photo at full resolution through EXTRA_OUTPUT, and
 * this app needs no permission. (Declaring CAMERA would even make the camera app refuse until it is granted.)
 */
class CameraProvider : PrivateProvider() {
    override fun getType(uri: Uri): String = "image/jpeg"

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        val ours = context ?: throw FileNotFoundException("no context")
        if (uri != uri(ours)) throw FileNotFoundException("$uri")
        return ParcelFileDescriptor.open(file(ours), ParcelFileDescriptor.parseMode(mode))
    }

    companion object {
        fun file(context: Context): File = File(context.cacheDir, "camera.jpg")

        fun uri(context: Context): Uri = Uri.parse("content://${context.packageName}.camera/photo.jpg")

        /** Asks the camera app for a photo in [file]; an older one is removed first. */
        fun intent(context: Context): Intent {
            file(context).delete()
            val target = uri(context)
            return Intent(MediaStore.ACTION_IMAGE_CAPTURE)
                .putExtra(MediaStore.EXTRA_OUTPUT, target)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION or Intent.FLAG_GRANT_WRITE_URI_PERMISSION)
                .apply { clipData = ClipData.newRawUri("", target) }
        }
    }
}
