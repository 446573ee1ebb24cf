package dev.mobilevit.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri

/** A ContentProvider without tables: what a provider must have, answering nothing. */
abstract class PrivateProvider : ContentProvider() {
    override fun onCreate(): Boolean = true

    override fun getType(uri: Uri): String? = null

    override fun query(
        uri: Uri, projection: Array<out String>?, selection: String?, arguments: Array<out String>?, order: String?,
    ): Cursor = MatrixCursor(projection ?: emptyArray()) // never null: other apps do not look

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(uri: Uri, values: ContentValues?, selection: String?, arguments: Array<out String>?): Int = 0

    override fun delete(uri: Uri, selection: String?, arguments: Array<out String>?): Int = 0
}
