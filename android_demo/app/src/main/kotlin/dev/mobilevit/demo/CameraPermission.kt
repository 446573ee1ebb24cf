package dev.mobilevit.demo

import android.Manifest
import android.app.Activity
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.provider.Settings

/** The one permission of the app: the live screen needs it, and since it is declared, asking a camera app does too. */
object CameraPermission {
    fun isGranted(context: Context): Boolean =
        context.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    fun ask(activity: Activity, request: Int) =
        activity.requestPermissions(arrayOf(Manifest.permission.CAMERA), request)

    /** True where the user was asked, refused, and the system will not show its question again. */
    fun isRefusedForGood(activity: Activity): Boolean =
        !isGranted(activity) && !activity.shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)

    /** This app's page in the system's settings, the way back after a refusal. */
    fun settings(context: Context): Intent =
        Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", context.packageName, null))
}
