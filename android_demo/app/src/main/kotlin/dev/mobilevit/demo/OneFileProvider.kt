package dev.mobilevit.demo

import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/** Lends one file of this app's cache, at one address, to the app that was given the permission for it. */
abstract class OneFileProvider(private val exchange: Exchange) : PrivateProvider() {
    override fun getType(uri: Uri): String = "image/jpeg"

    override fun query(
        uri: Uri, projection: Array<out String>?, selection: String?, arguments: Array<out String>?, order: String?,
    ): Cursor {
        val columns = projection ?: arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
        val cursor = MatrixCursor(columns)
        val ours = context?.takeIf { uri == exchange.uri(it) } ?: return cursor
        cursor.addRow(columns.map { column ->
            when (column) {
                OpenableColumns.DISPLAY_NAME -> exchange.name
                OpenableColumns.SIZE -> exchange.file(ours).length()
                else -> null
            }
        })
        return cursor
    }

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        val ours = context ?: throw FileNotFoundException("no context")
        val fits = uri == exchange.uri(ours) && (exchange.isWritable || mode == "r")
        if (!fits) throw FileNotFoundException("$uri for $mode")
        return ParcelFileDescriptor.open(exchange.file(ours), ParcelFileDescriptor.parseMode(mode))
    }
}

/** The address and the file of a [OneFileProvider] whose authority ends with [authority]. */
class Exchange(private val authority: String, val name: String, val isWritable: Boolean) {
    fun file(context: Context): File = File(context.cacheDir, name)

    fun uri(context: Context): Uri = Uri.parse("content://${context.packageName}.$authority/$name")
}
