package dev.mobilevit.demo

import android.app.Activity
import android.graphics.Bitmap
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.TextView
import android.widget.Toolbar
import dev.mobilevit.demo.core.Answer
import java.text.NumberFormat

/** Puts a [ScreenState] on the main screen's views. */
class MainViews(private val activity: Activity, private val onSample: (String) -> Unit) {
    private val toolbar: Toolbar = activity.findViewById(R.id.toolbar)
    private val photo: ImageView = activity.findViewById(R.id.photo)
    private val hint: View = activity.findViewById(R.id.hint)
    private val busy: View = activity.findViewById(R.id.busy)
    private val problem: TextView = activity.findViewById(R.id.problem)
    private val result: View = activity.findViewById(R.id.result)
    private val headline: TextView = activity.findViewById(R.id.headline)
    private val detail: TextView = activity.findViewById(R.id.detail)
    private val guesses: ViewGroup = activity.findViewById(R.id.guesses)
    private val times: TextView = activity.findViewById(R.id.times)
    private val samples: ViewGroup = activity.findViewById(R.id.samples)

    fun show(state: ScreenState) {
        toolbar.subtitle = state.modelName ?: activity.getString(R.string.loading_model)
        photo.setImageBitmap(state.photo)
        hint.visible(state.photo == null && !state.busy)
        busy.visible(state.busy)
        problem.visible(state.problem != null)
        state.problem?.let { problem.setText(it.text) }
        result.visible(state.answer != null)
        state.answer?.let(::showAnswer)
        if (samples.childCount != state.samples.size) showSamples(state.samples)
    }

    private fun showAnswer(answer: Answer) {
        val percent = NumberFormat.getPercentInstance()
        val best = answer.guesses.first()
        headline.text = if (answer.unsure) activity.getString(R.string.unsure) else best.label
        detail.visible(answer.unsure)
        if (answer.unsure) detail.text = activity.getString(R.string.unsure_detail, best.label)
        times.text = activity.getString(R.string.times, answer.inferenceMs, answer.preprocessMs)
        guesses.removeAllViews()
        answer.guesses.forEachIndexed { index, guess ->
            val row = activity.layoutInflater.inflate(R.layout.row_guess, guesses, false)
            val score = percent.format(guess.score.toDouble())
            row.findViewById<TextView>(R.id.label).text = guess.label
            row.findViewById<TextView>(R.id.score).text = score
            row.findViewById<ProgressBar>(R.id.bar).apply {
                progress = (guess.score * max).toInt()
                alpha = if (index == 0 && !answer.unsure) 1f else FAINT
            }
            row.contentDescription = activity.getString(R.string.guess_spoken, guess.label, score)
            guesses.addView(row)
        }
    }

    private fun showSamples(pictures: Map<String, Bitmap>) {
        samples.removeAllViews()
        for ((name, picture) in pictures) {
            val view = activity.layoutInflater.inflate(R.layout.sample, samples, false) as ImageView
            view.setImageBitmap(picture)
            view.contentDescription = activity.getString(R.string.sample_spoken, title(name))
            view.setOnClickListener { onSample(name) }
            samples.addView(view)
        }
    }

    private fun title(file: String): String = file.substringBeforeLast('.').replace('_', ' ').replace('-', ' ')

    private fun View.visible(shown: Boolean) {
        visibility = if (shown) View.VISIBLE else View.GONE
    }

    private companion object {
        const val FAINT = 0.45f
    }
}
