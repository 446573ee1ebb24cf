package dev.mobilevit.demo

import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.graphics.Bitmap
import dev.mobilevit.demo.core.Answer
import java.text.NumberFormat

/** The one picture that the app which the user shares an answer with may read. */
class ShareProvider : OneFileProvider(SHARED) {
    companion object {
        private val SHARED = Exchange("share", "answer.jpg", isWritable = false)
        private const val QUALITY = 92

        /** Writes the picture of an answer, and asks where to send it and its text. Touches files. */
        fun intent(context: Context, photo: Bitmap, answer: Answer, model: String): Intent {
            val text = text(context, answer, model)
            val picture = AnswerPicture.draw(context, photo, text)
            SHARED.file(context).outputStream().use { picture.compress(Bitmap.CompressFormat.JPEG, QUALITY, it) }
            val target = SHARED.uri(context)
            val send = Intent(Intent.ACTION_SEND)
                .setType("image/jpeg")
                .putExtra(Intent.EXTRA_STREAM, target)
                .putExtra(Intent.EXTRA_TEXT, text)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
                .apply { clipData = ClipData.newRawUri("", target) }
            return Intent.createChooser(send, context.getString(R.string.share))
        }

        /** One line for each guess, "unsure" before them where it is, the model's name behind them. */
        fun text(context: Context, answer: Answer, model: String): String {
            val percent = NumberFormat.getPercentInstance()
            val rows = answer.guesses.map {
                context.getString(R.string.guess_spoken, it.label, percent.format(it.score.toDouble()))
            }
            val unsure = if (answer.unsure) listOf(context.getString(rejected(answer))) else emptyList()
            return (unsure + rows + model).joinToString("\n")
        }
    }
}
