package dev.mobilevit.demo

import android.view.LayoutInflater
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobilevit.demo.core.Answer
import java.text.NumberFormat

/** The rows of an answer in [parent]: made once and filled again, so that what reads them aloud is not disturbed. */
class Guesses(private val parent: ViewGroup) {
    private val percent = NumberFormat.getPercentInstance()

    fun show(answer: Answer) {
        val inflater = LayoutInflater.from(parent.context)
        while (parent.childCount > answer.guesses.size) parent.removeViewAt(parent.childCount - 1)
        while (parent.childCount < answer.guesses.size) inflater.inflate(R.layout.row_guess, parent)
        answer.guesses.forEachIndexed { index, guess ->
            val row = parent.getChildAt(index)
            val score = percent.format(guess.score.toDouble())
            row.findViewById<TextView>(R.id.label).text = guess.label
            row.findViewById<TextView>(R.id.score).text = score
            row.findViewById<ProgressBar>(R.id.bar).apply {
                progress = (guess.score * max).toInt()
                alpha = if (index == 0 && !answer.unsure) 1f else FAINT
            }
            row.contentDescription = row.context.getString(R.string.guess_spoken, guess.label, score)
        }
    }

    private companion object {
        const val FAINT = 0.45f
    }
}

/** What an answer below the threshold is called. */
fun rejected(answer: Answer): Int = if (answer.noneOfThese) R.string.none_of_these else R.string.unsure
