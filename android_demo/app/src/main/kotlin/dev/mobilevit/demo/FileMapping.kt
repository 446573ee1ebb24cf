package dev.mobilevit.demo

import android.content.res.AssetFileDescriptor
import java.io.File
import java.io.FileInputStream
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel

/** Files mapped into memory: the system loads the pages that are read, and can drop them again. */
object FileMapping {
    /** The whole [file], read-only. */
    fun map(file: File): MappedByteBuffer = FileInputStream(file).use {
        it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.channel.size())
    }

    /** An asset that lies uncompressed in the APK; [asset] is closed, the mapping stays. */
    fun map(asset: AssetFileDescriptor): MappedByteBuffer = asset.use {
        FileInputStream(it.fileDescriptor).use { stream ->
            stream.channel.map(FileChannel.MapMode.READ_ONLY, it.startOffset, it.length)
        }
    }
}
